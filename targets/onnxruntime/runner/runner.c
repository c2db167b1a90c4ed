/* Runs and measures exported ONNX files on a board, with the board's own ONNX Runtime and nothing else: no Python, no C++.
 *
 *     spikeport_runner --library libonnxruntime.so [--expect VERSION] [--warm-up FILE]... [options] MODEL...
 *
 * Every MODEL is opened, run a few times on zeros and closed, one after another in one process; its heap is reported if
 * heap_counter.so is preloaded. One thread, without arena, memory pattern and optimizer, unless --default-session is given.
 *
 *     --expect VERSION     refuse any other version of the library
 *     --warm-up FILE       a model that is run before anything is counted; may be given more than once
 *     --default-session    arena, memory pattern and optimizer on, as a session is opened by whoever sets nothing
 *     --runs N             runs on zeros of every MODEL (2: in the second the states are results of the first)
 *     --fixed-addresses    start again without address space randomization, where the kernel allows it: hash tables of pointers
 *                          are as full as addresses happen to collide
 *     --times              report the seconds of every run, each by itself: "run_seconds" of the file, the first run first
 *
 * With an input the one MODEL is run on it and every output is recorded:
 *
 *     --input FILE         the raw elements of SAMPLES inputs, one after another; an input is held for all steps where the file
 *                          has one per sample, and changes every step where it has STEPS per sample
 *     --samples N          inputs in the file (1)
 *     --steps N            runs per sample (1): the states start at zero, and every output X.next is the next run's input X
 *     --output FILE        one line of JSON that names type and shape of every output, then their raw elements: sample by
 *                          sample, step by step, in the order of that line, in the byte order of this machine
 *
 * On standard output: one JSON object, {"runtime": version, "library_heap_bytes", "library_mapped_bytes", "files": [{"heap":
 * {"load_peak_bytes", "ready_bytes", "run_peak_bytes"}, "resident_peak_bytes"}]}. Heap figures are above what was live before
 * the model was opened; they are null without the counter.
 *
 * Ends with 0, or with one line on standard error and: 2 the command line or the input file; 3 the library is missing, is no
 * ONNX Runtime or has another version; 4 the runtime refuses the model; 5 it fails while running; 6 the output cannot be written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

#include "ort_api.h"

enum { BAD_USE = 2, BAD_LIBRARY = 3, MODEL_REFUSED = 4, RUN_FAILED = 5, NOT_WRITTEN = 6 };
enum { MOST_MODELS = 2048, MOST_TENSORS = 1024, MOST_AXES = 8 };

typedef struct {
    const char *library, *expected, *input, *output;
    const char *warm_up[MOST_MODELS], *models[MOST_MODELS];
    size_t warm_ups, model_count, samples, steps, runs;
    int default_session, fixed_addresses, times;
} request;

typedef struct {
    char *name;
    int type;
    size_t rank, size_bytes;
    int64_t shape[MOST_AXES];
} tensor;

typedef struct {
    ort_session *handle;
    size_t inputs, outputs;
    tensor input[MOST_TENSORS], output[MOST_TENSORS];
    const char *input_names[MOST_TENSORS], *output_names[MOST_TENSORS];
    /* Position of the output X.next of the input X, or -1: then the input is data. */
    long next_of[MOST_TENSORS];
    ort_value *fed[MOST_TENSORS], *result[MOST_TENSORS];
} session;

static const ort_api *api;
static ort_allocator *allocator;
static session current; /* too large for a stack, and never more than one at a time */
static long (*heap_live)(void), (*heap_peak)(void);
static void (*heap_reset)(void);
/* With --times, the seconds of every run of the current model. */
static double *run_seconds;
static size_t run_count;

static _Noreturn void fail(int code, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("spikeport_runner: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(code);
}

/* Ends with the runtime's own words, on one line. */
static void check(ort_status *status, int code, const char *what) {
    if (!status) return;
    char said[400];
    snprintf(said, sizeof said, "%s", api->get_error_message(status));
    said[strcspn(said, "\r\n")] = 0;
    fail(code, "%s: %s", what, said);
}

static void print_json_string(FILE *file, const char *text) {
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') fprintf(file, "\\%c", *c);
        else if (*c < 0x20) fprintf(file, "\\u%04x", *c);
        else fputc(*c, file);
    }
    fputc('"', file);
}

/* -- Command line ------------------------------------------------------------------------------------------------------- */

static size_t number(const char *option, const char *text) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || value == 0) fail(BAD_USE, "%s %s: not a positive number", option, text);
    return value;
}

static void add_model(const char **list, size_t *count, const char *path) {
    if (*count == MOST_MODELS) fail(BAD_USE, "more than %d models", MOST_MODELS);
    list[(*count)++] = path;
}

static void parse(int count, char **words, request *asked) {
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (!strcmp(word, "--default-session")) asked->default_session = 1;
        else if (!strcmp(word, "--fixed-addresses")) asked->fixed_addresses = 1;
        else if (!strcmp(word, "--times")) asked->times = 1;
        else if (strncmp(word, "--", 2)) add_model(asked->models, &asked->model_count, word);
        else {
            const char *value = i + 1 < count ? words[++i] : NULL;
            if (!value) fail(BAD_USE, "%s: unknown, or its value is missing", word);
            if (!strcmp(word, "--library")) asked->library = value;
            else if (!strcmp(word, "--expect")) asked->expected = value;
            else if (!strcmp(word, "--warm-up")) add_model(asked->warm_up, &asked->warm_ups, value);
            else if (!strcmp(word, "--input")) asked->input = value;
            else if (!strcmp(word, "--output")) asked->output = value;
            else if (!strcmp(word, "--samples")) asked->samples = number(word, value);
            else if (!strcmp(word, "--steps")) asked->steps = number(word, value);
            else if (!strcmp(word, "--runs")) asked->runs = number(word, value);
            else fail(BAD_USE, "%s: unknown option", word);
        }
    }
    if (!asked->library || !asked->model_count) fail(BAD_USE, "use: --library LIBRARY [options] MODEL...");
    if (!asked->input != !asked->output) fail(BAD_USE, "--input and --output go together");
    if (asked->input && asked->model_count != 1) fail(BAD_USE, "--input needs exactly one model");
}

static void without_randomization(char **words) {
    int persona = personality(0xffffffff);
    if (persona < 0 || persona & ADDR_NO_RANDOMIZE) return;
    if (personality((unsigned long)persona | ADDR_NO_RANDOMIZE) < 0) return;
    if (personality(0xffffffff) & ADDR_NO_RANDOMIZE) execv("/proc/self/exe", words);
}

/* -- The library and its sessions --------------------------------------------------------------------------------------- */

static const char *open_library(const char *path, const char *expected) {
    /* Releases since 1.2x report their use on a thread of their own, whose heap would be counted. */
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) fail(BAD_LIBRARY, "%s", dlerror());
    const ort_api_base *(*base_of)(void);
    *(void **)&base_of = dlsym(library, "OrtGetApiBase");
    if (!base_of) fail(BAD_LIBRARY, "%s is not ONNX Runtime: it has no OrtGetApiBase", path);
    const char *version = base_of()->version();
    if (expected && strcmp(version, expected)) fail(BAD_LIBRARY, "%s is ONNX Runtime %s, expected %s", path, version, expected);
    api = base_of()->get_api(ORT_API_VERSION);
    if (!api) fail(BAD_LIBRARY, "ONNX Runtime %s is older than 1.%d", version, ORT_API_VERSION);
    check(api->default_allocator(&allocator), BAD_LIBRARY, path);
    return version;
}

/* Bytes of the address space that the loaded segments of a library take. */
static int add_mapped(struct dl_phdr_info *info, size_t size, void *total) {
    (void)size;
    if (!strstr(info->dlpi_name, "libonnxruntime")) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD) *(size_t *)total += info->dlpi_phdr[i].p_memsz;
    return 0;
}

static size_t element_bytes(int type) {
    switch (type) {
        case ORT_UINT8: case ORT_INT8: case ORT_BOOL: return 1;
        case ORT_FLOAT: case ORT_INT32: return 4;
        case ORT_INT64: return 8;
        default: return 0;
    }
}

static const char *type_name(int type) {
    switch (type) {
        case ORT_UINT8: return "uint8";
        case ORT_INT8: return "int8";
        case ORT_BOOL: return "bool";
        case ORT_INT32: return "int32";
        case ORT_INT64: return "int64";
        default: return "float32";
    }
}

static tensor described(ort_type_info *info, char *name, const char *model) {
    tensor result = {.name = name, .size_bytes = 1};
    const ort_tensor_info *about = NULL;
    check(api->as_tensor_info(info, &about), MODEL_REFUSED, name);
    if (!about) fail(MODEL_REFUSED, "%s: %s is not a tensor", model, name);
    check(api->element_type(about, &result.type), MODEL_REFUSED, name);
    check(api->rank(about, &result.rank), MODEL_REFUSED, name);
    if (result.rank > MOST_AXES) fail(MODEL_REFUSED, "%s: %s has %zu axes", model, name, result.rank);
    check(api->shape(about, result.shape, result.rank), MODEL_REFUSED, name);
    for (size_t axis = 0; axis < result.rank; axis++) {
        if (result.shape[axis] < 1) fail(MODEL_REFUSED, "%s: axis %zu of %s has no fixed size", model, axis, name);
        result.size_bytes *= (size_t)result.shape[axis];
    }
    if (!element_bytes(result.type)) fail(MODEL_REFUSED, "%s: %s has element type %d", model, name, result.type);
    result.size_bytes *= element_bytes(result.type);
    api->release_type_info(info);
    return result;
}

static void match_states(session *opened) {
    for (size_t i = 0; i < opened->inputs; i++) {
        size_t length = strlen(opened->input_names[i]);
        opened->next_of[i] = -1;
        for (size_t k = 0; k < opened->outputs; k++) {
            const char *name = opened->output_names[k];
            if (!strncmp(name, opened->input_names[i], length) && !strcmp(name + length, ".next")) opened->next_of[i] = (long)k;
        }
    }
}

static void describe(session *opened, const char *path) {
    check(api->input_count(opened->handle, &opened->inputs), MODEL_REFUSED, path);
    check(api->output_count(opened->handle, &opened->outputs), MODEL_REFUSED, path);
    if (opened->inputs > MOST_TENSORS || opened->outputs > MOST_TENSORS)
        fail(MODEL_REFUSED, "%s has more than %d inputs or outputs", path, MOST_TENSORS);
    ort_type_info *info;
    char *name;
    for (size_t i = 0; i < opened->inputs; i++) {
        check(api->input_type(opened->handle, i, &info), MODEL_REFUSED, path);
        check(api->input_name(opened->handle, i, allocator, &name), MODEL_REFUSED, path);
        opened->input[i] = described(info, name, path);
        opened->input_names[i] = name;
    }
    for (size_t i = 0; i < opened->outputs; i++) {
        check(api->output_type(opened->handle, i, &info), MODEL_REFUSED, path);
        check(api->output_name(opened->handle, i, allocator, &name), MODEL_REFUSED, path);
        opened->output[i] = described(info, name, path);
        opened->output_names[i] = name;
    }
    match_states(opened);
}

static void open_session(const ort_env *env, const char *path, int as_default, session *opened) {
    ort_options *options;
    if (access(path, R_OK)) fail(BAD_USE, "%s: %s", path, strerror(errno));
    check(api->create_options(&options), RUN_FAILED, "session options");
    check(api->set_intra_threads(options, 1), RUN_FAILED, "session options");
    check(api->set_inter_threads(options, 1), RUN_FAILED, "session options");
    if (!as_default) {
        check(api->disable_cpu_mem_arena(options), RUN_FAILED, "session options");
        check(api->disable_mem_pattern(options), RUN_FAILED, "session options");
        check(api->set_optimization_level(options, 0), RUN_FAILED, "session options");
    }
    check(api->create_session(env, path, options, &opened->handle), MODEL_REFUSED, path);
    api->release_options(options);
}

static void close_session(session *opened) {
    for (size_t i = 0; i < opened->inputs; i++) check(api->allocator_free(allocator, opened->input[i].name), RUN_FAILED, "free");
    for (size_t i = 0; i < opened->outputs; i++) check(api->allocator_free(allocator, opened->output[i].name), RUN_FAILED, "free");
    api->release_session(opened->handle);
    memset(opened, 0, sizeof *opened);
}

/* -- Running ------------------------------------------------------------------------------------------------------------ */

static void *data_of(ort_value *value) {
    void *data;
    check(api->tensor_data(value, &data), RUN_FAILED, "tensor");
    return data;
}

static void feed_zeros(session *opened) {
    for (size_t i = 0; i < opened->inputs; i++) {
        const tensor *about = &opened->input[i];
        if (!opened->fed[i])
            check(api->create_tensor(allocator, about->shape, about->rank, about->type, &opened->fed[i]), RUN_FAILED, about->name);
        memset(data_of(opened->fed[i]), 0, about->size_bytes);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void run_once(session *opened, const char *path) {
    double began = now();
    check(api->run(opened->handle, NULL, opened->input_names, (const ort_value *const *)opened->fed, opened->inputs,
                   opened->output_names, opened->outputs, opened->result),
          RUN_FAILED, path);
    if (run_seconds) run_seconds[run_count++] = now() - began;
}

/* Every output that is a state becomes the input of the next run; all others go. */
static void take_over_states(session *opened) {
    for (size_t i = 0; i < opened->inputs; i++) {
        long next = opened->next_of[i];
        if (next < 0) continue;
        api->release_value(opened->fed[i]);
        opened->fed[i] = opened->result[next];
        opened->result[next] = NULL;
    }
    for (size_t k = 0; k < opened->outputs; k++) {
        if (opened->result[k]) api->release_value(opened->result[k]);
        opened->result[k] = NULL;
    }
}

static void release_inputs(session *opened) {
    for (size_t i = 0; i < opened->inputs; i++) {
        api->release_value(opened->fed[i]);
        opened->fed[i] = NULL;
    }
}

static void run_on_zeros(session *opened, const char *path, size_t runs) {
    feed_zeros(opened);
    for (size_t run = 0; run < runs; run++) {
        run_once(opened, path);
        take_over_states(opened);
    }
    release_inputs(opened);
}

static void write_header(FILE *file, const session *opened, const request *asked, const char *path) {
    fprintf(file, "{\"samples\": %zu, \"steps\": %zu, \"outputs\": [", asked->samples, asked->steps);
    for (size_t k = 0; k < opened->outputs; k++) {
        const tensor *about = &opened->output[k];
        fprintf(file, "%s{\"name\": ", k ? ", " : "");
        print_json_string(file, about->name);
        fprintf(file, ", \"type\": \"%s\", \"shape\": [", type_name(about->type));
        for (size_t axis = 0; axis < about->rank; axis++) fprintf(file, "%s%" PRId64, axis ? ", " : "", about->shape[axis]);
        fputs("]}", file);
    }
    if (fputs("]}\n", file) < 0) fail(NOT_WRITTEN, "%s: %s", path, strerror(errno));
}

static size_t only_data_input(const session *opened, const char *path) {
    size_t found = opened->inputs;
    for (size_t i = 0; i < opened->inputs; i++)
        if (opened->next_of[i] < 0) {
            if (found != opened->inputs) fail(BAD_USE, "%s has more than one input that is not a state", path);
            found = i;
        }
    if (found == opened->inputs) fail(BAD_USE, "%s has no input but states", path);
    return found;
}

/* Runs every sample from zero states and writes all outputs of every step. */
static void record(session *opened, const request *asked) {
    size_t data = only_data_input(opened, asked->models[0]), size = opened->input[data].size_bytes;
    FILE *in = fopen(asked->input, "rb"), *out;
    if (!in) fail(BAD_USE, "%s: %s", asked->input, strerror(errno));
    if (fseek(in, 0, SEEK_END)) fail(BAD_USE, "%s: %s", asked->input, strerror(errno));
    long length = ftell(in);
    int held = (uintmax_t)length == (uintmax_t)asked->samples * size;
    if (!held && (uintmax_t)length != (uintmax_t)asked->samples * asked->steps * size)
        fail(BAD_USE, "%s has %ld bytes; %zu samples of %zu bytes, or that times %zu steps, were expected", asked->input, length,
             asked->samples, size, asked->steps);
    rewind(in);
    if (!(out = fopen(asked->output, "wb"))) fail(NOT_WRITTEN, "%s: %s", asked->output, strerror(errno));
    write_header(out, opened, asked, asked->output);
    for (size_t sample = 0; sample < asked->samples; sample++) {
        feed_zeros(opened);
        for (size_t step = 0; step < asked->steps; step++) {
            if ((step == 0 || !held) && fread(data_of(opened->fed[data]), 1, size, in) != size)
                fail(BAD_USE, "%s: cannot be read", asked->input);
            run_once(opened, asked->models[0]);
            for (size_t k = 0; k < opened->outputs; k++) {
                size_t written = fwrite(data_of(opened->result[k]), 1, opened->output[k].size_bytes, out);
                if (written != opened->output[k].size_bytes) fail(NOT_WRITTEN, "%s: %s", asked->output, strerror(errno));
            }
            take_over_states(opened);
        }
    }
    release_inputs(opened);
    fclose(in);
    if (fclose(out)) fail(NOT_WRITTEN, "%s: %s", asked->output, strerror(errno));
}

/* -- Measuring ---------------------------------------------------------------------------------------------------------- */

static long resident_peak_bytes(void) {
    char line[256];
    long kibibytes = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kibibytes) == 1) break;
    if (file) fclose(file);
    return kibibytes < 0 ? -1 : kibibytes * 1024;
}

static void measure(const ort_env *env, const char *path, const request *asked, const char *separator) {
    long start = heap_live ? heap_live() : 0, load_peak = 0, ready = 0;
    run_count = 0;
    if (heap_live) heap_reset();
    open_session(env, path, asked->default_session, &current);
    if (heap_live) {
        load_peak = heap_peak() - start;
        ready = heap_live() - start;
        heap_reset();
    }
    describe(&current, path);
    if (asked->input) record(&current, asked);
    else run_on_zeros(&current, path, asked->runs);
    printf("%s{\"heap\": ", separator);
    if (heap_live)
        printf("{\"load_peak_bytes\": %ld, \"ready_bytes\": %ld, \"run_peak_bytes\": %ld}", load_peak, ready, heap_peak() - start);
    else fputs("null", stdout);
    printf(", \"resident_peak_bytes\": %ld", resident_peak_bytes());
    if (run_seconds) {
        fputs(", \"run_seconds\": [", stdout);
        for (size_t i = 0; i < run_count; i++) printf("%s%.9f", i ? ", " : "", run_seconds[i]);
        putchar(']');
    }
    putchar('}');
    close_session(&current);
}

int main(int count, char **words) {
    static request asked = {.samples = 1, .steps = 1, .runs = 2};
    parse(count, words, &asked);
    if (asked.fixed_addresses) without_randomization(words);
    *(void **)&heap_live = dlsym(RTLD_DEFAULT, "heap_live_bytes");
    *(void **)&heap_peak = dlsym(RTLD_DEFAULT, "heap_peak_bytes");
    *(void **)&heap_reset = dlsym(RTLD_DEFAULT, "heap_reset_peak");
    long before = heap_live ? heap_live() : 0;
    const char *version = open_library(asked.library, asked.expected);
    ort_env *env;
    check(api->create_env(ORT_LOG_ERROR, "spikeport", &env), BAD_LIBRARY, asked.library);
    for (size_t i = 0; i < asked.warm_ups; i++) {
        open_session(env, asked.warm_up[i], asked.default_session, &current);
        describe(&current, asked.warm_up[i]);
        run_on_zeros(&current, asked.warm_up[i], asked.runs);
        close_session(&current);
    }
    size_t mapped = 0;
    dl_iterate_phdr(add_mapped, &mapped);
    fputs("{\"runtime\": ", stdout);
    print_json_string(stdout, version);
    printf(", \"library_heap_bytes\": ");
    if (heap_live) printf("%ld", heap_live() - before);
    else fputs("null", stdout);
    printf(", \"library_mapped_bytes\": %zu, \"files\": [", mapped);
    size_t most = asked.input ? asked.samples * asked.steps : asked.runs;
    if (asked.times && !(run_seconds = malloc(most * sizeof *run_seconds))) fail(RUN_FAILED, "%s", strerror(ENOMEM));
    for (size_t i = 0; i < asked.model_count; i++) measure(env, asked.models[i], &asked, i ? ", " : "");
    puts("]}");
    api->release_env(env);
    return fflush(stdout) ? NOT_WRITTEN : 0;
}
