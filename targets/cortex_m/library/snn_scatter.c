/* The walk over a source: which of its neurons spike (or are pixels that are not 0), and where their kernel window falls.
   Cost follows the number of spikes, not the number of synapses.

   A dense connection is a 1x1 convolution over one position with as many channels as there are source neurons. */
#include "snn_kernels.h"

#define SNN_INLINE static inline __attribute__((always_inline))

/* A source coordinate as target coordinate: coordinate + padding = quotient * stride + remainder, without division. */
typedef struct position {
    int32_t quotient;
    int32_t remainder;
} position;

/* How far the walk through one row of the source has come. */
typedef struct walk {
    snn_window window;
    position x;
    uint32_t end; /* first index, in the row, behind the current position's channels */
    uint32_t looked; /* whether the window of the current position is known */
    uint32_t weight, neuron; /* first ones that the current spike meets */
} walk;

SNN_INLINE void advance(position *p, int32_t stride) {
    if (++p->remainder == stride) {
        p->remainder = 0;
        p->quotient++;
    }
}

SNN_INLINE snn_span covered(position p, int32_t stride, int32_t kernel, int32_t first, int32_t count) {
    snn_span result = {0U, 0U, 0U};
    int32_t index = p.remainder, target = p.quotient - first;
    while (target >= count) {
        target--;
        index += stride;
    }
    for (; index < kernel && target >= 0; index += stride, target--) {
        result.kernel = (uint32_t)(kernel - 1 - index);
        result.target = (uint32_t)target;
        result.count++;
    }
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

/* Where the spike of the neuron with this index in the row arrives. */
static __attribute__((noinline)) void locate(walk *w, uint32_t index) {
    const snn_connection *k = w->window.connection;
    const snn_tile *tile = w->window.tile;
    const uint32_t outputs = k->outputs;
    while (index >= w->end) {
        w->end += k->channels;
        w->looked = 0U;
        advance(&w->x, k->stride);
    }
    if (w->looked == 0U) {
        w->window.columns = covered(w->x, k->stride, k->kernel_columns, 0, (int32_t)tile->columns);
        w->window.run = k->stride == 1U && outputs == tile->channels ? w->window.columns.count : 1U;
        w->looked = 1U;
    }
    const snn_span rows = w->window.rows, columns = w->window.columns;
    const uint32_t channel = index + k->channels - w->end;
    uint32_t neuron = (rows.target * tile->columns + columns.target) * tile->channels;
    if (k->group_channels == 1U) { /* depthwise, pooling, identity */
        neuron += channel * outputs;
    } else { /* the group of the channel, without division */
        for (uint32_t last = k->group_channels; last <= channel; last += k->group_channels) {
            neuron += outputs;
        }
    }
    const uint32_t row = (channel * k->kernel_rows + rows.kernel) * k->kernel_columns + columns.kernel;
    w->weight = row * outputs;
    w->neuron = neuron;
}

/* `first` is the index of the row's first neuron in memory, `count` the number of neurons of a row. */
SNN_INLINE void scatter_row(walk *w, const void *source, uint32_t first, uint32_t count) {
    const snn_connection *k = w->window.connection;
    if (k->pixels != 0U) {
        const uint8_t *pixels = (const uint8_t *)source + first;
        for (uint32_t index = 0; index < count; index++) {
            const int32_t value = pixels[index] >> (k->pixels - 1U);
            if (value != 0) {
                locate(w, index);
                k->deliver(&w->window, w->weight, w->neuron, value * k->multiplier);
            }
        }
        return;
    }
    /* whole words; bits outside of the row are cut off in the first and in the last one */
    const snn_word *words = (const snn_word *)source + (first >> 5);
    const uint32_t before = first & 31U;
    for (uint32_t base = 0; base < before + count; base += 32U) {
        uint32_t word = *words++;
        if (base == 0U) {
            word &= 0xFFFFFFFFU << before;
        }
        if (before + count - base < 32U) {
            word &= (1U << (before + count - base)) - 1U;
        }
        for (; word != 0U; word &= word - 1U) {
            locate(w, base + lowest_bit(word) - before);
            k->deliver(&w->window, w->weight, w->neuron, k->multiplier);
        }
    }
}

void snn_scatter(const snn_connection *k, const void *source, const snn_tile *tile, void *target) {
    const int32_t stride = k->stride, padding = k->padding, first = (int32_t)tile->first_row;
    const int32_t end = (first + (int32_t)tile->rows - 1) * stride - padding + k->kernel_rows;
    const uint32_t row_neurons = (uint32_t)k->columns * k->channels;
    walk w; /* field by field: an initializer would call memset */
    position y = {first, 0}, left = {0, 0};
    int32_t row = first * stride - padding;
    w.window.connection = k;
    w.window.tile = tile;
    w.window.target = target;
    for (; row < 0; row++) {
        advance(&y, stride);
    }
    for (int32_t skipped = 0; skipped < padding; skipped++) {
        advance(&left, stride);
    }
    for (; row < end && row < k->rows; row++, advance(&y, stride)) {
        w.window.rows = covered(y, stride, k->kernel_rows, first, (int32_t)tile->rows);
        w.x = left;
        w.end = k->channels;
        w.looked = 0U;
        scatter_row(&w, source, ((uint32_t)row - tile->source_row) * row_neurons, row_neurons);
    }
}
