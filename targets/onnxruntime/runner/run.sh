#!/bin/sh
# Runs a bundle on the board that holds it: builds the runner, measures the heap in fresh processes, records every output of the
# test inputs, times them, and prints one JSON object. All else that comes of it lies in out/.
#
# The library is $SPIKEPORT_LIBRARY, or the one in lib/, or that of the installed Python package, or the system's.
set -eu
cd "$(dirname "$0")"
. ./bundle.env
machine=$(uname -m)

find_library() {
  if [ -n "${SPIKEPORT_LIBRARY:-}" ]; then echo "$SPIKEPORT_LIBRARY"; return; fi
  if [ "$machine" = "$MACHINE" ]; then
    for file in lib/libonnxruntime.so*; do [ ! -f "$file" ] || { echo "./$file"; return; }; done
  fi
  for python in python3 python; do
    found=$("$python" -c 'import glob, importlib.util, os
spec = importlib.util.find_spec("onnxruntime")
print((glob.glob(os.path.join(os.path.dirname(spec.origin), "capi", "libonnxruntime.so*")) or [""])[0])' 2>/dev/null) || continue
    [ -z "$found" ] || { echo "$found"; return; }
  done
  ldconfig -p 2>/dev/null | sed -n 's/.*libonnxruntime\.so[^ ]* .*=> //p' | head -n 1
}

build() {
  if [ -x spikeport_runner ] && [ -f heap_counter.so ]; then return; fi
  if command -v make >/dev/null && command -v "${CC:-cc}" >/dev/null; then make -s all >&2; return; fi
  if [ -d "bin/$machine" ]; then cp "bin/$machine/"* . && chmod +x spikeport_runner; return; fi
  echo "there is no C compiler here, and no program built for $machine in bin/" >&2
  exit 1
}

library=$(find_library)
[ -n "$library" ] || { echo "libonnxruntime.so was not found: set SPIKEPORT_LIBRARY, or put it into lib/" >&2; exit 1; }
build
mkdir -p out

runner() { ./spikeport_runner --library "$library" "$@"; }

# A small environment: its size shifts addresses, hence how full hash tables of pointers are.
counted() {
  env -i ${LD_LIBRARY_PATH:+"LD_LIBRARY_PATH=$LD_LIBRARY_PATH"} OMP_NUM_THREADS=1 \
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=0 MALLOC_ARENA_MAX=1 LD_PRELOAD=./heap_counter.so \
    ./spikeport_runner --library "$library" --fixed-addresses "$@"
}

warm_up=
for file in warm_up/*.onnx; do warm_up="$warm_up --warm-up $file"; done
for run in 1 2 3; do
  # shellcheck disable=SC2086 # the names are ours, and hold no spaces
  counted $warm_up control/step.onnx control/whole.onnx network/step.onnx network/whole.onnx >"out/heap$run.json"
done
runner --input inputs.bin --samples "$SAMPLES" --output out/whole.bin network/whole.onnx >/dev/null
if [ -f network/watched.onnx ]; then
  runner --input inputs.bin --samples "$SAMPLES" --steps "$STEPS" --output out/watched.bin network/watched.onnx >/dev/null
fi
runner --default-session --times --input inputs.bin --samples "$SAMPLES" --output /dev/null network/whole.onnx >out/whole_times.json
runner --default-session --times --input inputs.bin --samples "$SAMPLES" --steps "$STEPS" --output /dev/null network/step.onnx \
  >out/step_times.json

# A board names itself in its device tree; QEMU's does so too, and is none.
board=$(cat /proc/device-tree/model 2>/dev/null | tr -cd 'A-Za-z0-9 ._+-')
obtained=runtime
case "$board" in
  '' | *dummy-virt*) board="a machine that does not say what it is ($(uname -s) on $machine)" ;;
  *) [ "$machine" != "$MACHINE" ] || obtained=hardware ;;
esac
printf '{"format": 1, "obtained": "%s", "board": "%s", "tools": {"instruction set": "%s", "kernel": "%s"}}\n' \
  "$obtained" "$board" "$machine" "$(uname -r | tr -cd 'A-Za-z0-9._+-')"
