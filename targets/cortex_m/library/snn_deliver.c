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

/* What a kernel is made for; all fields are constants after inlining. */
typedef struct variant {
    unsigned bits;  /* of a weight; 0: no weights */
    unsigned width; /* of a membrane potential */
    int words, scaled;
} variant;

/* One weight of a byte. */
SNN_INLINE void add_one(uint8_t *target, uint32_t code, int32_t factor, variant is) {
    int32_t weight = is.bits == 8U ? (int32_t)(int8_t)code : (int32_t)(code & 0xFFU) - (1 << (is.bits - 1U));
    weight = is.scaled ? weight * factor : weight;
    if (is.width == 16U) {
        snn_v16 *v = (snn_v16 *)(void *)target;
        *v = (int16_t)(*v + weight);
    } else {
        *(snn_v32 *)(void *)target += weight;
    }
}

/* Four weights, one a byte, in the order 0, 2, 1, 3: even bytes are one SIMD pair, odd bytes the next. Returns where the next
   four membrane potentials are. */
SNN_INLINE uint8_t *add_four(uint8_t *target, uint32_t four, int32_t factor, variant is) {
    const unsigned size = is.width / 8U;
#if defined(__ARM_FEATURE_SIMD32)
    if (is.width == 16U && !is.scaled) {
        snn_pairs *pairs = (snn_pairs *)(void *)target;
        uint32_t even, odd;
        if (is.bits < 8U) {
            four = (uint32_t)__ssub8((int8x4_t)four, (int8x4_t)(0x01010101U << (is.bits - 1U)));
        }
        __asm__("ldrd %0, %1, %2" : "=r"(even), "=r"(odd) : "Q"(*pairs));
        __asm__("sxtab16 %0, %0, %1" : "+r"(even) : "r"(four));
        __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(odd) : "r"(four));
        __asm__("strd %2, %3, [%0], #8" : "+r"(target), "=m"(*pairs) : "r"(even), "r"(odd));
        return target;
    }
#endif
    add_one(target, four, factor, is);
    add_one(target + size, four >> 16, factor, is);
    add_one(target + 2U * size, four >> 8, factor, is);
    add_one(target + 3U * size, four >> 24, factor, is);
    return target + 4U * size;
}

/* `count` weights that fill whole words. Short SIMD steps are written out, because compilers differ in what they unroll. */
SNN_INLINE void add_words(uint8_t *v, const snn_word *weights, uint32_t count, int32_t factor, variant is) {
    const uint32_t mask = is.bits == 8U ? 0xFFFFFFFFU : ((1U << is.bits) - 1U) * 0x01010101U;
    const uint8_t *end = v + count * (is.width / 8U);
    do {
        uint32_t word = *weights++;
        if (is.width == 16U && !is.scaled) {
            v = add_four(v, word & mask, factor, is);
            v = is.bits <= 4U ? add_four(v, (word >> is.bits) & mask, factor, is) : v;
            v = is.bits == 2U ? add_four(v, (word >> 4) & mask, factor, is) : v;
            v = is.bits == 2U ? add_four(v, (word >> 6) & mask, factor, is) : v;
        } else {
            for (unsigned done = 0; done < 8U; done += is.bits, word >>= is.bits) {
                v = add_four(v, word & mask, factor, is);
            }
        }
    } while (v != end);
}

/* Weights of any number; `index` is that of the first one. */
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
            snn_v16 *v = (snn_v16 *)target + i;
            *v = (int16_t)(*v + weight * factor);
        } else {
            ((snn_v32 *)target)[i] += weight * factor;
        }
    }
}

#define SNN_KERNEL(name, ...)                                                                                           \
    void name(const snn_walk *walk, uint32_t weight, uint32_t neuron, uint32_t count) {                                \
        const variant is = {__VA_ARGS__};                                                                               \
        uint8_t *v = (uint8_t *)walk->target + neuron * (is.width / 8U);                                                \
        if (is.words) {                                                                                                 \
            const void *weights = walk->weights + weight * is.bits / 8U;                                                \
            add_words(v, weights, count, walk->factor, is);                                                             \
        } else {                                                                                                        \
            add_ragged(v, walk->weights, weight, count, walk->factor, is);                                              \
        }                                                                                                               \
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

/* Pooling: sets the bits of spikes. */
void snn_mark(const snn_walk *walk, uint32_t weight, uint32_t neuron, uint32_t count) {
    snn_word *spikes = walk->target;
    (void)weight;
    for (neuron += walk->tile->first_bit; count != 0U; count--, neuron++) {
        spikes[neuron >> 5] |= 1U << (neuron & 31U);
    }
}
