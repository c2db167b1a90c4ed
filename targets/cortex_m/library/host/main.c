/* Classifies inputs on a computer: reads SNN_FRAMES * SNN_FRAME_BYTES bytes per input from standard input, as snn.h lays
   them out, and prints one line of scores for each.

       cmake -B build && cmake --build build && build/snn_host < inputs.bin
*/
#include <stdio.h>

#include "snn.h"

#if defined(SNN_TRACE)
#include "snn_kernels.h"
static int32_t trace[SNN_TRACE_WORDS];
#endif

static _Alignas(4) uint8_t input[SNN_FRAMES * SNN_FRAME_BYTES];

int main(void) {
    while (fread(input, sizeof input, 1, stdin) == 1) {
#if defined(SNN_TRACE)
        snn_trace_cursor = trace;
#endif
        (void)snn_classify(input);
#if defined(SNN_TRACE)
        if (fwrite(trace, sizeof trace[0], (size_t)(snn_trace_cursor - trace), stdout) == 0) {
            return 1;
        }
#else
        for (unsigned class = 0; class < SNN_CLASSES; class++) {
            printf("%ld%c", (long)snn_scores[class], class + 1 < SNN_CLASSES ? ' ' : '\n');
        }
#endif
    }
    return 0;
}
