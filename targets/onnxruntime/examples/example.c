/* Classifies inputs with whole.onnx through ONNX Runtime's C interface; ort_api.h declares what is used of it.
 *
 *     cc -O2 example.c -o example -ldl && ./example libonnxruntime.so whole.onnx < inputs.bin
 *
 * Standard input: raw uint8 inputs one after another, as the file's metadata describes them. Standard output: for each its class
 * and the scores.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "ort_api.h"

static const ort_api *api;

static void check(ort_status *status) {
    if (!status) return;
    fprintf(stderr, "%s\n", api->get_error_message(status));
    exit(1);
}

/* Elements of an input or output, and its shape. */
static size_t elements(ort_type_info *info, int64_t *shape, size_t *rank) {
    const ort_tensor_info *about;
    size_t count = 1;
    check(api->as_tensor_info(info, &about));
    check(api->rank(about, rank));
    check(api->shape(about, shape, *rank));
    for (size_t axis = 0; axis < *rank; axis++) count *= (size_t)shape[axis];
    api->release_type_info(info);
    return count;
}

int main(int count, char **words) {
    void *library = count == 3 ? dlopen(words[1], RTLD_NOW) : NULL;
    const ort_api_base *(*base)(void) = NULL;
    if (library) *(void **)&base = dlsym(library, "OrtGetApiBase");
    if (!base || !(api = base()->get_api(ORT_API_VERSION))) {
        fprintf(stderr, "use: %s libonnxruntime.so whole.onnx < inputs.bin\n", words[0]);
        return 2;
    }
    ort_env *env;
    ort_options *options;
    ort_session *session;
    ort_allocator *memory;
    check(api->create_env(ORT_LOG_ERROR, "example", &env));
    check(api->create_options(&options));
    check(api->create_session(env, words[2], options, &session));
    check(api->default_allocator(&memory));

    ort_type_info *info;
    int64_t shape[8], output_shape[8];
    size_t rank;
    check(api->output_type(session, 0, &info));
    size_t classes = elements(info, output_shape, &rank);
    check(api->input_type(session, 0, &info));
    size_t size = elements(info, shape, &rank);
    char *input, *output;
    check(api->input_name(session, 0, memory, &input));
    check(api->output_name(session, 0, memory, &output));

    ort_value *fed, *result = NULL;
    void *pixels, *data;
    check(api->create_tensor(memory, shape, rank, ORT_UINT8, &fed));
    check(api->tensor_data(fed, &pixels));
    while (fread(pixels, 1, size, stdin) == size) {
        check(api->run(session, NULL, (const char *const *)&input, (const ort_value *const *)&fed, 1,
                       (const char *const *)&output, 1, &result));
        check(api->tensor_data(result, &data));
        const int32_t *scores = data;
        size_t best = 0;
        for (size_t i = 1; i < classes; i++)
            if (scores[i] > scores[best]) best = i;
        printf("%zu:", best);
        for (size_t i = 0; i < classes; i++) printf(" %d", (int)scores[i]);
        putchar('\n');
        api->release_value(result);
        result = NULL;
    }
    return 0;
}
