/* The walk over a source: which of its positions spike (or are pixels that are not 0), and where their kernel window falls.
   Cost follows the number of spikes, not the number of synapses.

   A dense connection is a 1x1 convolution over one position with as many channels as there are source neurons. */
#include "snn_kernels.h"

#define SNN_INLINE static inline __attribute__((always_inline))

/* A source coordinate as target coordinate: coordinate + padding = quotient * stride + remainder, without division. */
typedef struct position {
    int32_t quotient;
    int32_t remainder;
} position;

SNN_INLINE void advance(position *p, int32_t stride) {
    if (++p->remainder == stride) {
        p->remainder = 0;
        p->quotient++;
    }
}

SNN_INLINE snn_span covered(position p, int32_t stride, int32_t kernel, int32_t first, int32_t count) {
    snn_span result;
    int32_t index = p.remainder, target = p.quotient, found = 0;
    while (target >= first + count) {
        target--;
        index += stride;
    }
    result.kernel = (uint32_t)index;
    result.target = (uint32_t)(target - first);
    for (; index < kernel && target >= first; index += stride, target--) {
        found++;
    }
    result.count = (uint32_t)found;
    return result;
}

SNN_INLINE uint32_t lowest_bit(uint32_t word) {
#if defined(__ARM_ARCH_6M__)
    /* no CLZ: a de Bruijn sequence maps the 32 powers of two to different high bits */
    static const uint8_t index[32] = {0,  1,  28, 2,  29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4,  8,
                                      31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6,  11, 5,  10, 9};
    return index[((word & (0U - word)) * 0x077CB531U) >> 27];
#else
    return (uint32_t)__builtin_ctz(word);
#endif
}

SNN_INLINE uint32_t read_bits(const snn_word *words, uint32_t bit, uint32_t count) {
    const uint32_t shift = bit & 31U;
    uint32_t result = words[bit >> 5] >> shift;
    if (shift + count > 32U) {
        result |= words[(bit >> 5) + 1U] << (32U - shift);
    }
    return count < 32U ? result & ((1U << count) - 1U) : result;
}

/* All channels of one source position; `index` counts source neurons from the first one in memory. */
SNN_INLINE void deliver_position(snn_window *window, const void *source, uint32_t index, position x) {
    const snn_connection *k = window->connection;
    const uint32_t chunk = k->pixels ? 1U : 32U;
    window->columns.count = 0;
    for (uint32_t channel = 0; channel < k->channels; channel += chunk) {
        uint32_t word, count = k->channels - channel;
        if (k->pixels) {
            word = (uint32_t)((const uint8_t *)source)[index + channel] >> (k->pixels - 1U);
        } else {
            word = read_bits(source, index + channel, count < 32U ? count : 32U);
        }
        if (word == 0U) {
            continue;
        }
        if (window->columns.count == 0U) {
            window->columns = covered(x, k->stride, k->kernel_columns, 0, (int32_t)window->tile->columns);
        }
        if (k->pixels) {
            k->deliver(window, channel, (int32_t)word * k->multiplier);
            continue;
        }
        for (; word != 0U; word &= word - 1U) {
            k->deliver(window, channel + lowest_bit(word), k->multiplier);
        }
    }
}

void snn_scatter(const snn_connection *k, const void *source, const snn_tile *tile, void *target) {
    const int32_t stride = k->stride, padding = k->padding, first = (int32_t)tile->first_row;
    const int32_t end = (first + (int32_t)tile->rows - 1) * stride - padding + k->kernel_rows;
    snn_window window = {k, tile, target, {0, 0, 0}, {0, 0, 0}};
    position y = {first, 0}, left = {0, 0};
    int32_t row = first * stride - padding;
    for (; row < 0; row++) {
        advance(&y, stride);
    }
    for (int32_t skipped = 0; skipped < padding; skipped++) {
        advance(&left, stride);
    }
    for (; row < end && row < k->rows; row++, advance(&y, stride)) {
        uint32_t index = ((uint32_t)row - tile->source_row) * k->columns * k->channels;
        position x = left;
        window.rows = covered(y, stride, k->kernel_rows, first, (int32_t)tile->rows);
        for (uint32_t column = 0; column < k->columns; column++, index += k->channels, advance(&x, stride)) {
            deliver_position(&window, source, index, x);
        }
    }
}
