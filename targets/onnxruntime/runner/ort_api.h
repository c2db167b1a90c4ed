/* The part of ONNX Runtime's C interface that the runner calls, by position: the function table only ever grows at its end, so
 * these slots are the same from 1.4 (2020) to today, and no header of any one version is needed to build.
 *
 * Source of names and positions: include/onnxruntime/core/session/onnxruntime_c_api.h of ONNX Runtime.
 */
#ifndef SPIKEPORT_ORT_API_H
#define SPIKEPORT_ORT_API_H

#include <stddef.h>
#include <stdint.h>

/* What the runtime hands out; looked into by nobody but itself. */
typedef struct ort_status ort_status;
typedef struct ort_env ort_env;
typedef struct ort_options ort_options;
typedef struct ort_session ort_session;
typedef struct ort_value ort_value;
typedef struct ort_allocator ort_allocator;
typedef struct ort_type_info ort_type_info;
typedef struct ort_tensor_info ort_tensor_info;

enum { ORT_API_VERSION = 10, ORT_LOG_ERROR = 3 };
/* ONNX element types. */
enum { ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_INT8 = 3, ORT_INT32 = 6, ORT_INT64 = 7, ORT_BOOL = 9 };

typedef void (*ort_slot)(void);

typedef struct {
    ort_slot slots_0_1[2];
    const char *(*get_error_message)(const ort_status *);
    ort_status *(*create_env)(int log_level, const char *name, ort_env **);
    ort_slot slots_4_6[3];
    ort_status *(*create_session)(const ort_env *, const char *path, const ort_options *, ort_session **);
    ort_slot slot_8;
    ort_status *(*run)(ort_session *, const void *run_options, const char *const *input_names, const ort_value *const *inputs,
                       size_t input_count, const char *const *output_names, size_t output_count, ort_value **outputs);
    ort_status *(*create_options)(ort_options **);
    ort_slot slots_11_16[6];
    ort_status *(*disable_mem_pattern)(ort_options *);
    ort_slot slot_18;
    ort_status *(*disable_cpu_mem_arena)(ort_options *);
    ort_slot slots_20_22[3];
    ort_status *(*set_optimization_level)(ort_options *, int level);
    ort_status *(*set_intra_threads)(ort_options *, int);
    ort_status *(*set_inter_threads)(ort_options *, int);
    ort_slot slots_26_29[4];
    ort_status *(*input_count)(const ort_session *, size_t *);
    ort_status *(*output_count)(const ort_session *, size_t *);
    ort_slot slot_32;
    ort_status *(*input_type)(const ort_session *, size_t index, ort_type_info **);
    ort_status *(*output_type)(const ort_session *, size_t index, ort_type_info **);
    ort_slot slot_35;
    ort_status *(*input_name)(const ort_session *, size_t index, ort_allocator *, char **);
    ort_status *(*output_name)(const ort_session *, size_t index, ort_allocator *, char **);
    ort_slot slots_38_47[10];
    ort_status *(*create_tensor)(ort_allocator *, const int64_t *shape, size_t rank, int type, ort_value **);
    ort_slot slots_49_50[2];
    ort_status *(*tensor_data)(ort_value *, void **);
    ort_slot slots_52_54[3];
    ort_status *(*as_tensor_info)(const ort_type_info *, const ort_tensor_info **);
    ort_slot slots_56_59[4];
    ort_status *(*element_type)(const ort_tensor_info *, int *);
    ort_status *(*rank)(const ort_tensor_info *, size_t *);
    ort_status *(*shape)(const ort_tensor_info *, int64_t *, size_t rank);
    ort_slot slots_63_75[13];
    ort_status *(*allocator_free)(ort_allocator *, void *);
    ort_slot slot_77;
    ort_status *(*default_allocator)(ort_allocator **);
    ort_slot slots_79_91[13];
    void (*release_env)(ort_env *);
    void (*release_status)(ort_status *);
    ort_slot slot_94;
    void (*release_session)(ort_session *);
    void (*release_value)(ort_value *);
    ort_slot slot_97;
    void (*release_type_info)(ort_type_info *);
    ort_slot slot_99;
    void (*release_options)(ort_options *);
} ort_api;

typedef struct {
    const ort_api *(*get_api)(uint32_t version);
    const char *(*version)(void);
} ort_api_base;

#define ORT_SLOT_IS(member, index) \
    _Static_assert(offsetof(ort_api, member) == (index) * sizeof(ort_slot), #member " is not in slot " #index)
ORT_SLOT_IS(get_error_message, 2);
ORT_SLOT_IS(create_session, 7);
ORT_SLOT_IS(run, 9);
ORT_SLOT_IS(disable_cpu_mem_arena, 19);
ORT_SLOT_IS(set_optimization_level, 23);
ORT_SLOT_IS(input_count, 30);
ORT_SLOT_IS(output_type, 34);
ORT_SLOT_IS(create_tensor, 48);
ORT_SLOT_IS(tensor_data, 51);
ORT_SLOT_IS(element_type, 60);
ORT_SLOT_IS(allocator_free, 76);
ORT_SLOT_IS(default_allocator, 78);
ORT_SLOT_IS(release_env, 92);
ORT_SLOT_IS(release_value, 96);
ORT_SLOT_IS(release_options, 100);

#endif
