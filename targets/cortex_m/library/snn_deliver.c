/* Event-driven synapses: a spike adds its rows of weights to the membrane potentials that its kernel window reaches.

   One template, made into a kernel for every width of weights and membrane potentials; the SIMD path is taken where the core
   has the DSP extension. Weights of 2 and 4 bits are stored as value + half of their range. */
#include "snn_kernels.h"

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
/* four membrane potentials, loaded and stored at once */
typedef struct __attribute__((may_alias)) snn_pairs {
    uint32_t even, odd;
} snn_pairs;
#endif

#define SNN_INLINE static inline __attribute__((always_inline))

/* What a kernel is made for; all fields are constants after inlining. */
typedef struct variant {
    unsigned bits;  /* of a weight; 0: no weights */
    unsigned width; /* of a membrane potential; 0: set the bit of a spike */
    int words, scaled;
} variant;

SNN_INLINE void add16(snn_v16 *v, int32_t value) { *v = (int16_t)(*v + value); }

/* Four weights, one a byte, in the order 0, 2, 1, 3: even bytes are one SIMD pair, odd bytes the next. */
SNN_INLINE void add_four(void *target, uint32_t four, int32_t factor, variant is) {
    static const unsigned channel[4] = {0, 2, 1, 3};
    const uint32_t half = is.bits < 8U ? 1U << (is.bits - 1U) : 0U;
#if defined(__ARM_FEATURE_SIMD32)
    if (is.width == 16U && !is.scaled) {
        snn_pairs *pairs = target;
        uint32_t even, odd;
        if (half) {
            four = (uint32_t)__ssub8((int8x4_t)four, (int8x4_t)(half * 0x01010101U));
        }
        __asm__("ldrd %0, %1, %2" : "=r"(even), "=r"(odd) : "Q"(*pairs));
        __asm__("sxtab16 %0, %0, %1" : "+r"(even) : "r"(four));
        __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(odd) : "r"(four));
        __asm__("strd %1, %2, %0" : "=Q"(*pairs) : "r"(even), "r"(odd));
        return;
    }
#endif
    for (unsigned byte = 0; byte < 4U; byte++) {
        const uint32_t code = (four >> (8U * byte)) & 0xFFU;
        int32_t weight = is.bits == 8U ? (int32_t)(int8_t)code : (int32_t)code - (int32_t)half;
        weight = is.scaled ? weight * factor : weight;
        if (is.width == 16U) {
            add16((snn_v16 *)target + channel[byte], weight);
        } else {
            ((snn_v32 *)target)[channel[byte]] += weight;
        }
    }
}

/* `count` weights that fill whole words. */
SNN_INLINE void add_words(void *target, const snn_word *weights, uint32_t count, int32_t factor, variant is) {
    const uint32_t mask = is.bits == 8U ? 0xFFFFFFFFU : ((1U << is.bits) - 1U) * 0x01010101U;
    const snn_word *end = weights + count * is.bits / 32U;
    uint8_t *v = target;
    do {
        const uint32_t word = *weights++;
        for (unsigned shift = 0; shift < 8U; shift += is.bits) {
            add_four(v, (word >> shift) & mask, factor, is);
            v += 4U * is.width / 8U;
        }
    } while (weights != end);
}

/* One row of weights of any length; `index` is that of its first weight. */
SNN_INLINE void add_ragged(void *target, const uint8_t *weights, uint32_t index, uint32_t count, int32_t factor,
                           variant is) {
    for (uint32_t i = 0; i < count; i++, index++) {
        int32_t weight = 1;
        if (is.bits == 8U) {
            weight = (int8_t)weights[index];
        } else if (is.bits != 0U) {
            const uint32_t bit = index * is.bits;
            weight = (int32_t)(((uint32_t)weights[bit >> 3] >> (bit & 7U)) & ((1U << is.bits) - 1U));
            weight -= 1 << (is.bits - 1U);
        }
        if (is.width == 16U) {
            add16((snn_v16 *)target + i, weight * factor);
        } else {
            ((snn_v32 *)target)[i] += weight * factor;
        }
    }
}

/* Everything that one source neuron delivers. */
SNN_INLINE void deliver(const snn_window *window, uint32_t weight, uint32_t neuron, int32_t factor, variant is) {
    const snn_connection *k = window->connection;
    const snn_tile *tile = window->tile;
    const uint32_t outputs = k->outputs, run = window->run, columns = window->columns.count;
    const uint32_t right = k->stride * outputs, down = right * k->kernel_columns;
    for (uint32_t rows = window->rows.count; rows != 0U; rows--) {
        uint32_t weight_there = weight, neuron_there = neuron;
        for (uint32_t done = 0U; done < columns; done += run) {
            uint8_t *v = (uint8_t *)window->target + neuron_there * (is.width / 8U);
            if (is.width == 0U) {
                ((snn_word *)window->target)[neuron_there >> 5] |= 1U << (neuron_there & 31U);
            } else if (is.words) {
                const snn_word *weights = (const snn_word *)(const void *)(k->weights + weight_there * is.bits / 8U);
                add_words(v, weights, run * outputs, factor, is);
            } else {
                add_ragged(v, k->weights, weight_there, run * outputs, factor, is);
            }
            weight_there += right;
            neuron_there += tile->channels;
        }
        weight += down;
        neuron += tile->columns * tile->channels;
    }
}

#define SNN_KERNEL(name, ...)                                                                                           \
    void name(const snn_window *window, uint32_t weight, uint32_t neuron, int32_t factor) {                            \
        const variant is = {__VA_ARGS__};                                                                               \
        (void)factor;                                                                                                   \
        deliver(window, weight, neuron, factor, is);                                                                    \
    }
#define SNN_KERNELS(bits, width)                                                                                        \
    SNN_KERNEL(snn_w##bits##_v##width##_words, bits, width, 1, 0)                                                       \
    SNN_KERNEL(snn_w##bits##_v##width##_scaled, bits, width, 1, 1)                                                      \
    SNN_KERNEL(snn_w##bits##_v##width##_ragged, bits, width, 0, 1)

SNN_KERNELS(8, 16)
SNN_KERNELS(4, 16)
SNN_KERNELS(2, 16)
SNN_KERNELS(8, 32)
SNN_KERNELS(4, 32)
SNN_KERNELS(2, 32)
SNN_KERNEL(snn_unit_v16, 0, 16, 0, 1)
SNN_KERNEL(snn_unit_v32, 0, 32, 0, 1)

/* Pooling: sets the bits of spikes. Its tile begins at a row of the target, which lies in memory as a whole. */
void snn_mark(const snn_window *window, uint32_t weight, uint32_t neuron, int32_t factor) {
    const variant is = {0, 0, 0, 0};
    const snn_tile *tile = window->tile;
    deliver(window, weight, neuron + tile->first_row * tile->columns * tile->channels, factor, is);
}
