/* Leaky integrate-and-fire neurons: threshold, spikes, reset, and in the same pass leak and bias of the next time step.

   v = trunc0(v * keep / 2^keep_shift) + bias   here, at the end of the step before (or `fill`, for the first step)
   v = v + weights of spikes                    the kernels of snn_deliver.c, in place
   v saturates at +-limit; spike = v > threshold; v = 0 where spike

   16-bit neurons need no saturation: they are chosen where a bound proves that no potential reaches the limit. */
#include "snn_kernels.h"

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

#define SNN_INLINE static inline __attribute__((always_inline))

#if defined(SNN_TRACE)
int32_t *snn_trace_cursor;
#define TRACE(spike, value) (*snn_trace_cursor++ = (spike) ? SNN_TRACE_SPIKE : (value))
#else
#define TRACE(spike, value) ((void)0)
#endif

/* Spikes on their way into memory; bits before the first one belong to the tile before and stay. */
typedef struct bit_writer {
    snn_word *next;
    uint32_t word;
    uint32_t used;
} bit_writer;

SNN_INLINE bit_writer write_from(snn_word *words, uint32_t bit) {
    bit_writer w = {words + (bit >> 5), 0U, bit & 31U};
    if (w.used != 0U) {
        w.word = *w.next & ((1U << w.used) - 1U);
    }
    return w;
}

/* Appends the lowest `count` (1 to 32) bits. */
SNN_INLINE void write_bits(bit_writer *w, uint32_t bits, uint32_t count) {
    const uint32_t room = 32U - w->used;
    w->word |= bits << w->used;
    w->used += count;
    if (w->used >= 32U) {
        *w->next++ = w->word;
        w->used -= 32U;
        w->word = w->used != 0U ? bits >> room : 0U;
    }
}

SNN_INLINE void write_end(const bit_writer *w) {
    if (w->used != 0U) {
        *w->next = w->word;
    }
}

/* v * keep / 2^shift toward zero. */
SNN_INLINE int32_t leak(int32_t v, int32_t keep, uint32_t shift) {
    const int32_t product = v * keep;
    return (product + ((product >> 31) & ((1 << shift) - 1))) >> shift;
}

SNN_INLINE int32_t limited(int32_t v, int32_t limit) { return v > limit ? limit : v < -limit ? -limit : v; }

/* `halves`: halfwords of a membrane potential. */
SNN_INLINE void fill(void *membrane, const void *bias, uint32_t bias_step, const snn_tile *tile, uint32_t halves) {
    snn_v16 *v = membrane;
    const snn_v16 *from = bias;
    for (uint32_t position = tile->rows * tile->columns; position != 0U; position--, from += bias_step * halves) {
        for (uint32_t half = 0; half < tile->channels * halves; half++) {
            *v++ = from[half];
        }
    }
}

static void fill16(void *membrane, const void *bias, uint32_t bias_step, const snn_tile *tile) {
    fill(membrane, bias, bias_step, tile, 1U);
}

static void fill32(void *membrane, const void *bias, uint32_t bias_step, const snn_tile *tile) {
    fill(membrane, bias, bias_step, tile, 2U);
}

#if defined(__ARM_FEATURE_SIMD32)
/* Half of two neurons toward zero: what is negative is raised by one before. */
SNN_INLINE uint32_t halved(uint32_t pair) {
    uint32_t negative;
    __asm__("and %0, %1, %2, lsr #15" : "=r"(negative) : "r"(0x00010001U), "r"(pair));
    return (uint32_t)__shadd16((int16x2_t)pair, (int16x2_t)negative);
}

/* Two neurons: where one spikes, its half of `marks` is in the result. */
SNN_INLINE uint32_t fire_pair(snn_word *v, uint32_t threshold, uint32_t bias, uint32_t marks, unsigned halvings) {
    uint32_t pair = *v, spikes;
    (void)__ssub16((int16x2_t)threshold, (int16x2_t)pair); /* sets GE where v <= threshold */
    spikes = __sel(0U, marks);
    pair = __sel((uint8x4_t)pair, 0U);
    TRACE(spikes & 0xFFFFU, (int16_t)(pair & 0xFFFFU));
    TRACE(spikes >> 16, (int16_t)(pair >> 16));
    pair = halved(pair);
    pair = halvings > 1U ? halved(pair) : pair;
    pair = halvings > 2U ? halved(pair) : pair;
    *v = (uint32_t)__sadd16((int16x2_t)pair, (int16x2_t)bias);
    return spikes;
}
#endif

/* `halvings` 1 to 3: a leak of 2^-halvings and channels in fours, known when this is compiled; 0: anything. */
SNN_INLINE void fire16(const snn_layer *layer, snn_v16 *v, const snn_v16 *bias, uint32_t bias_step,
                       const snn_tile *tile, snn_word *spikes, uint32_t first_bit, unsigned halvings) {
    const uint32_t shift = halvings != 0U ? halvings : layer->keep_shift;
    const int32_t keep = halvings != 0U ? 1 : layer->keep;
    bit_writer writer = write_from(spikes, first_bit);
    (void)shift, (void)keep;
    for (uint32_t position = tile->rows * tile->columns; position != 0U; position--, bias += bias_step) {
        const snn_v16 *thresholds = layer->thresholds, *add = bias;
        for (uint32_t left = tile->channels; left != 0U;) {
            const uint32_t count = left < 32U ? left : 32U;
            uint32_t bits = 0U;
            const snn_v16 *end = v + count;
            left -= count;
            while (v != end) {
#if defined(__ARM_FEATURE_SIMD32)
                if (halvings != 0U) {
                    snn_word *pairs = (snn_word *)(void *)v;
                    const snn_word *limits = (const snn_word *)(const void *)thresholds;
                    const snn_word *biases = (const snn_word *)(const void *)add;
                    uint32_t four = fire_pair(pairs, limits[0], biases[0], 0x00020001U, halvings);
                    four |= fire_pair(pairs + 1, limits[1], biases[1], 0x00080004U, halvings);
                    four |= four >> 16;
                    bits = (bits >> 4) | (four << 28);
                    v += 4, thresholds += 4, add += 4;
                    continue;
                }
#endif
                const uint32_t spike = *v > *thresholds++;
                const int32_t rest = spike ? 0 : *v;
                TRACE(spike, rest);
                bits = (bits >> 1) | (spike << 31);
                *v++ = (int16_t)(leak(rest, keep, shift) + *add++);
            }
            write_bits(&writer, bits >> (32U - count), count);
        }
    }
    write_end(&writer);
}

#define SNN_FIRE16(name, halvings)                                                                                      \
    static void name(const snn_layer *layer, void *membrane, const void *bias, uint32_t bias_step,                      \
                     const snn_tile *tile, snn_word *spikes, uint32_t first_bit) {                                      \
        fire16(layer, membrane, bias, bias_step, tile, spikes, first_bit, halvings);                                    \
    }
SNN_FIRE16(fire16_half, 1U)
SNN_FIRE16(fire16_quarter, 2U)
SNN_FIRE16(fire16_eighth, 3U)
SNN_FIRE16(fire16_any, 0U)

static void fire32(const snn_layer *layer, void *membrane, const void *bias, uint32_t bias_step, const snn_tile *tile,
                   snn_word *spikes, uint32_t first_bit) {
    snn_v32 *v = membrane;
    const snn_v32 *from = bias;
    bit_writer writer = write_from(spikes, first_bit);
    for (uint32_t position = tile->rows * tile->columns; position != 0U; position--, from += bias_step) {
        const snn_v32 *thresholds = layer->thresholds;
        for (uint32_t channel = 0; channel < tile->channels; channel++, v++) {
            const int32_t potential = limited(*v, layer->limit);
            const uint32_t spike = potential > thresholds[channel];
            const int32_t rest = spike ? 0 : potential;
            TRACE(spike, rest);
            write_bits(&writer, spike, 1U);
            *v = leak(rest, layer->keep, layer->keep_shift) + from[channel];
        }
    }
    write_end(&writer);
}

/* The readout keeps its potentials after the last step, so its leak and bias come at the start of a step: `fire` is called
   twice, before the spikes with first_bit 0 and after them with first_bit 1. */
static void hold32(const snn_layer *layer, void *membrane, const void *bias, uint32_t bias_step, const snn_tile *tile,
                   snn_word *spikes, uint32_t first_bit) {
    snn_v32 *v = membrane;
    const snn_v32 *from = bias;
    (void)spikes;
    for (uint32_t position = tile->rows * tile->columns; position != 0U; position--, from += bias_step) {
        for (uint32_t channel = 0; channel < tile->channels; channel++, v++) {
            if (first_bit != 0U) {
                *v = limited(*v, layer->limit);
                TRACE(0, *v);
            } else {
                *v = leak(*v, layer->keep, layer->keep_shift) + from[channel];
            }
        }
    }
}

const snn_neurons snn_neurons16_half = {fill16, fire16_half};
const snn_neurons snn_neurons16_quarter = {fill16, fire16_quarter};
const snn_neurons snn_neurons16_eighth = {fill16, fire16_eighth};
const snn_neurons snn_neurons16 = {fill16, fire16_any};
const snn_neurons snn_neurons32 = {fill32, fire32};
const snn_neurons snn_readout32 = {fill32, hold32};
