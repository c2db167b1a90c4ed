/* The walk over a source: which of its neurons spike (or are pixels that are not 0), and where their kernel window falls.
   Cost follows the number of spikes, not the number of synapses.

   A dense connection is a 1x1 convolution over one position with as many channels as there are source neurons. */
#include "snn_kernels.h"

/* The first target that the current source coordinate reaches: with what lies beyond the kernel, it is the next one. */
SNN_INLINE void settle(snn_reach *at, int32_t kernel, int32_t stride) {
    while (at->kernel >= kernel) {
        at->kernel -= stride;
        at->target++;
    }
}

/* How many targets it reaches. */
SNN_INLINE uint32_t reached(snn_reach at, int32_t stride, uint32_t targets) {
    uint32_t count = 0U;
    for (; at.kernel >= 0 && at.target + count < targets; at.kernel -= stride) {
        count++;
    }
    return count;
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

/* Delivers what the neuron with this index in the row sends. */
static __attribute__((noinline)) void arrive(snn_walk *w, uint32_t index) {
    const snn_connection *k = w->connection;
    const uint32_t outputs = k->outputs, channels = w->tile->layer->channels, columns = w->tile->layer->columns;
    const uint32_t kernel_columns = k->kernel_columns, stride = k->stride;
    if (index >= w->end) {
        do {
            w->end += k->channels;
            w->x.kernel++;
            settle(&w->x, (int32_t)kernel_columns, (int32_t)stride);
        } while (index >= w->end);
        w->runs = reached(w->x, (int32_t)stride, columns);
        w->length = outputs;
        if (stride == 1U && outputs == channels && w->runs != 0U) {
            w->length = outputs * w->runs;
            w->runs = 1U;
        }
    }
    const uint32_t channel = index + k->channels - w->end;
    uint32_t neuron = (w->y.target * columns + w->x.target) * channels;
    if (k->group_channels == 1U) { /* depthwise, pooling, identity */
        neuron += channel * outputs;
    } else { /* the group of the channel, without division */
        for (uint32_t last = k->group_channels; last <= channel; last += k->group_channels) {
            neuron += outputs;
        }
    }
    uint32_t weight = (channel + 1U) * k->kernel_rows - 1U - (uint32_t)w->y.kernel;
    weight = ((weight + 1U) * kernel_columns - 1U - (uint32_t)w->x.kernel) * outputs;
    for (uint32_t rows = w->rows; rows != 0U; rows--) {
        uint32_t weight_there = weight, neuron_there = neuron;
        for (uint32_t runs = w->runs; runs != 0U; runs--) {
            k->add(w, weight_there, neuron_there, w->length);
            weight_there += stride * outputs;
            neuron_there += channels;
        }
        weight += stride * outputs * kernel_columns;
        neuron += columns * channels;
    }
}

void snn_read_pixels(snn_walk *w, const uint8_t *pixels, uint32_t count) {
    for (uint32_t index = 0; index < count; index++) {
        const int32_t value = pixels[index] >> snn_model.pixel_shift;
        if (value != 0) {
            w->factor = value * w->connection->multiplier;
            arrive(w, index);
        }
    }
}

/* `first` is the index of the row's first neuron in memory, `count` the number of neurons of a row. */
SNN_INLINE void read_spikes(snn_walk *w, const snn_word *words, uint32_t first, uint32_t count) {
    /* whole words; bits outside of the row are cut off in the first and in the last one */
    const uint32_t end = (first & 31U) + count;
    uint32_t outside = first & 31U;
    words += first >> 5;
    for (uint32_t base = 0; base < end; base += 32U, outside = 0U) {
        uint32_t word = *words++ >> outside << outside;
        if (end - base < 32U) {
            word &= (1U << (end - base)) - 1U;
        }
        for (; word != 0U; word &= word - 1U) {
            arrive(w, base + lowest_bit(word) - (first & 31U));
        }
    }
}

void snn_scatter(const snn_tile *tile, const snn_connection *k, const void *source) {
    const uint32_t row_neurons = (uint32_t)k->columns * k->channels;
    snn_walk w; /* field by field: an initializer would call memset */
    int32_t row = (int32_t)tile->first_row * k->stride - k->padding;
    w.weights = k->weights;
    w.target = tile->target;
    w.factor = k->multiplier;
    w.connection = k;
    w.tile = tile;
    w.y.kernel = row < 0 ? -row : 0;
    w.y.target = 0U;
    for (row = row < 0 ? 0 : row; row < k->rows; row++, w.y.kernel++) {
        settle(&w.y, k->kernel_rows, k->stride);
        w.rows = reached(w.y, k->stride, tile->rows);
        if (w.y.target >= tile->rows) {
            break;
        }
        w.x.kernel = k->padding - 1;
        w.x.target = 0U;
        w.end = 0U;
        const uint32_t first = ((uint32_t)row - tile->source_row) * row_neurons;
        if (k->source == 0 && snn_model.read_pixels != 0) {
            snn_model.read_pixels(&w, (const uint8_t *)source + first, row_neurons);
        } else {
            read_spikes(&w, source, first, row_neurons);
        }
    }
}
