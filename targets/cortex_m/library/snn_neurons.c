/* Leaky integrate-and-fire neurons: threshold, spikes, reset, and in the same pass leak and bias of the next time step.

   v = trunc0(v * keep / 2^keep_shift) + bias   here, at the end of the step before (or snn_fill, for the first step)
   v = v + weights of spikes                    the kernels of snn_deliver.c, in place
   v saturates at +-limit; spike = v > threshold; v = 0 where spike

   16-bit neurons need no saturation: they are chosen where a bound proves that no potential reaches the limit. */
#include "snn_kernels.h"

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

#if defined(SNN_TRACE)
int32_t *snn_trace_cursor;
#endif

#if defined(__ARM_FEATURE_SIMD32)
/* Half of two neurons toward zero: what is negative is raised by one before. */
SNN_INLINE uint32_t halved(uint32_t pair) {
    uint32_t negative;
    __asm__("and %0, %1, %2, lsr #15" : "=r"(negative) : "r"(0x00010001U), "r"(pair));
    return (uint32_t)__shadd16((int16x2_t)pair, (int16x2_t)negative);
}

SNN_INLINE uint32_t next_pair(const snn_v16 **values) {
    uint32_t pair;
    __asm__ volatile("ldr %0, [%1], #4" : "=r"(pair), "+r"(*values) : : "memory");
    return pair;
}

/* Two neurons: the result is 1 in each half whose neuron spikes. Loads and stores keep their order, which leaves everything in
   registers. */
SNN_INLINE uint32_t fire_pair(snn_v16 **v, const snn_v16 **thresholds, const snn_v16 **biases, unsigned halvings) {
    const uint32_t threshold = next_pair(thresholds);
    uint32_t pair = *(const snn_word *)(const void *)*v, spikes;
    (void)__ssub16((int16x2_t)threshold, (int16x2_t)pair); /* sets GE where v <= threshold */
    spikes = __sel(0U, 0x00010001U);
    pair = __sel((uint8x4_t)pair, 0U);
    SNN_TRACED(spikes & 0xFFFFU, (int16_t)(pair & 0xFFFFU));
    SNN_TRACED(spikes >> 16, (int16_t)(pair >> 16));
    pair = halved(pair);
    pair = halvings > 1U ? halved(pair) : pair;
    pair = halvings > 2U ? halved(pair) : pair;
    pair = (uint32_t)__sadd16((int16x2_t)pair, (int16x2_t)next_pair(biases));
    __asm__ volatile("str %1, [%0], #4" : "+r"(*v) : "r"(pair) : "memory");
    return spikes;
}

/* Four neurons: their spikes are the lowest four bits of the result. */
SNN_INLINE uint32_t fire_four(snn_v16 **v, const snn_v16 **thresholds, const snn_v16 **biases, unsigned halvings) {
    uint32_t spikes = fire_pair(v, thresholds, biases, halvings);
    spikes |= fire_pair(v, thresholds, biases, halvings) << 2;
    return spikes | spikes >> 15;
}
#endif

/* `halvings` 1 to 3: a leak of 2^-halvings and channels in fours, known when this is compiled; 0: anything.
   Spikes enter `bits` from above; what lies in memory before the first one belongs to the tile before and stays. */
SNN_INLINE void fire16(const snn_tile *tile, unsigned halvings) {
    const snn_layer *layer = tile->layer;
    const uint32_t channels = layer->channels, shift = halvings != 0U ? halvings : layer->keep_shift;
    const int32_t keep = halvings != 0U ? 1 : layer->keep;
    snn_v16 *v = tile->target;
    const snn_v16 *bias = tile->bias, *end = (const snn_v16 *)layer->constants + 2U * channels;
    snn_word *spikes = tile->spikes + (tile->first_bit >> 5);
    /* the lowest 1 marks how far the word is: it leaves when the last spike enters */
    uint32_t bits = (*spikes << 1 | 1U) << (31U - (tile->first_bit & 31U)), full;
    (void)shift, (void)keep;
    for (uint32_t position = tile->rows * layer->columns; position != 0U; position--, bias += tile->bias_step) {
        const snn_v16 *add = bias, *threshold = end - channels;
        do {
#if defined(__ARM_FEATURE_SIMD32)
            if (halvings != 0U) {
                full = bits & 8U;
                bits = (bits >> 4) | (fire_four(&v, &threshold, &add, halvings) << 28);
            } else
#endif
            {
                const uint32_t spike = *v > *threshold++;
                const int32_t rest = spike ? 0 : *v;
                SNN_TRACED(spike, rest);
                full = bits & 1U;
                bits = (bits >> 1) | (spike << 31);
                *v++ = (int16_t)(snn_leak(rest, keep, shift) + *add++);
            }
            if (full != 0U) {
                *spikes++ = bits;
                bits = 1U << 31;
            }
        } while (threshold != end);
    }
    if (bits != 1U << 31) {
        do {
            full = bits & 1U;
            bits >>= 1;
        } while (full == 0U);
        *spikes = bits;
    }
}

#define SNN_FIRE16(name, halvings)                                                                                      \
    void name(const snn_tile *tile, uint32_t after) {                                                                   \
        (void)after;                                                                                                    \
        fire16(tile, halvings);                                                                                         \
    }
SNN_FIRE16(snn_neurons16_half, 1U)
SNN_FIRE16(snn_neurons16_quarter, 2U)
SNN_FIRE16(snn_neurons16_eighth, 3U)
SNN_FIRE16(snn_neurons16, 0U)

void snn_neurons32(const snn_tile *tile, uint32_t after) {
    const snn_layer *layer = tile->layer;
    const uint32_t channels = layer->channels;
    snn_v32 *v = tile->target;
    const snn_v32 *bias = tile->bias, *thresholds = (const snn_v32 *)layer->constants + channels;
    uint32_t bit = tile->first_bit;
    (void)after;
    for (uint32_t position = tile->rows * layer->columns; position != 0U; position--, bias += tile->bias_step) {
        for (uint32_t channel = 0; channel < channels; channel++, v++, bit++) {
            const int32_t potential = snn_limited(*v, layer);
            const uint32_t spike = potential > thresholds[channel];
            const int32_t rest = spike ? 0 : potential;
            snn_word *spikes = tile->spikes + (bit >> 5);
            SNN_TRACED(spike, rest);
            *spikes = ((bit & 31U) != 0U ? *spikes : 0U) | spike << (bit & 31U);
            *v = snn_leak(rest, layer->keep, layer->keep_shift) + bias[channel];
        }
    }
}
