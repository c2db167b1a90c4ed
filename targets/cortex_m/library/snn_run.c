/* The two schedules, what surrounds the kernels, and the public functions.

   Streaming: one time step through all layers; a layer is one tile and every membrane potential is kept.
   Time-batched: one tile of a layer through all time steps before the next one; what remains between layers are bits.
   A membrane potential depends on the inputs of its own neuron only, so both give the same spikes. */
#include "snn_kernels.h"

/* Every path to a synaptic kernel goes through run, deliver and snn_scatter: the depth of the stack is the same on all. */
#define SNN_WHOLE static __attribute__((noinline))

/* Halfwords of a membrane potential. */
SNN_INLINE uint32_t halfwords(const snn_layer *layer) { return layer->flags & SNN_WIDE ? 2U : 1U; }

void snn_fill(const snn_tile *tile) {
    const snn_layer *layer = tile->layer;
    const uint32_t halves = halfwords(layer), row = layer->channels * halves;
    const uint32_t at_once = (row & 1U) == 0U ? 2U : 1U; /* whole words where that is possible */
    snn_v16 *v = tile->target;
    const snn_v16 *bias = tile->bias;
    for (uint32_t position = tile->rows * layer->columns; position != 0U; position--) {
        for (const snn_v16 *from = bias, *end = bias + row; from != end; from += at_once, v += at_once) {
            if (at_once == 2U) {
                *(snn_word *)(void *)v = *(const snn_word *)(const void *)from;
            } else {
                *v = *from;
            }
        }
        bias += tile->bias_step * halves;
    }
}

SNN_WHOLE void deliver(const snn_tile *tile, const snn_connection *k, const snn_connection *end) {
    for (; k != end; k++) {
        snn_scatter(tile, k, k->source != 0 ? (const void *)(k->source + tile->step * k->source_words) : tile->input);
    }
}

/* The readout keeps its potentials after the last step, so its leak and bias come at the start of a step. */
void snn_readout32(const snn_tile *tile, uint32_t after) {
    const snn_layer *layer = tile->layer;
    const snn_v32 *bias = tile->bias;
    snn_v32 *v = tile->target;
    if (after == 0U && tile->step == 0U) {
        snn_fill(tile);
        return;
    }
    for (uint32_t position = tile->rows * layer->columns; position != 0U; position--) {
        for (uint32_t channel = 0; channel < layer->channels; channel++, v++) {
            if (after != 0U) {
                *v = snn_limited(*v, layer);
                SNN_TRACED(0, *v);
            } else {
                *v = snn_leak(*v, layer->keep, layer->keep_shift) + bias[channel];
            }
        }
    }
}

/* No spikes yet; the kernel snn_mark sets them. */
void snn_pool(const snn_tile *tile, uint32_t after) {
    const snn_layer *layer = tile->layer;
    const uint32_t row = (uint32_t)layer->columns * layer->channels;
    if (after == 0U && tile->first_row == 0U) {
        snn_word *end = tile->spikes + (layer->rows * row + 31U) / 32U;
        for (snn_word *word = tile->spikes; word != end; word++) {
            *word = 0U;
        }
    }
#if defined(SNN_TRACE)
    for (uint32_t bit = tile->first_bit; after != 0U && bit < tile->first_bit + tile->rows * row; bit++) {
        SNN_TRACED((tile->spikes[bit >> 5] >> (bit & 31U)) & 1U, 0);
    }
#endif
}

/* Constant pixels: what they deliver is added up once, before the first step, and taken for the bias of every step. Returns
   where their connections end; called again (`done` 1) when all of that has arrived. */
const snn_connection *snn_keep_current(snn_tile *tile, uint32_t done) {
    const snn_layer *layer = tile->layer;
    const snn_connection *k = layer->connections, *end = k + layer->connection_count;
    const uint32_t halves = halfwords(layer) * layer->tile_rows * layer->columns * layer->channels;
    tile->target = (snn_v32 *)layer->membrane + (halves + 1U) / 2U;
    if (done == 0U) {
        snn_fill(tile);
    } else {
        tile->bias = tile->target;
        tile->bias_step = layer->channels;
    }
    while (k != end && k->source == 0) {
        k++;
    }
    return k;
}

/* From a tile to the rows of the pool behind it that it makes, so that its spikes need not be kept. */
void snn_fuse_pool(snn_tile *tile) {
    const snn_layer *pool = tile->layer + 1;
    const uint32_t stride = pool->connections->stride, end = tile->first_row + tile->rows;
    tile->layer = pool;
    tile->first = pool->connections;
    tile->source_row = tile->first_row;
    tile->first_row = 0U;
    tile->rows = 0U;
    for (uint32_t row = stride; row <= end; row += stride) {
        if (row <= tile->source_row) {
            tile->first_row++;
        } else {
            tile->rows++;
        }
    }
}

/* One time step of a tile, and of the pool that takes its spikes at once. */
SNN_INLINE void run_step(snn_tile *tile) {
    for (;;) {
        const snn_layer *layer = tile->layer;
        const uint32_t fuses = layer->flags & SNN_FUSES;
        tile->spikes = layer->spikes + tile->step * layer->spike_words;
        tile->first_bit = fuses != 0U ? 0U : tile->first_row * layer->columns * layer->channels;
        tile->target = layer->membrane != 0 ? layer->membrane : tile->spikes;
        if ((layer->flags & SNN_AROUND) != 0U) {
            layer->neurons(tile, 0U);
        } else if (tile->step == 0U || (layer->flags & SNN_FRESH) != 0U) {
            snn_fill(tile);
        }
        deliver(tile, tile->first, layer->connections + layer->connection_count);
        layer->neurons(tile, 1U);
        if (fuses == 0U) {
            break;
        }
        snn_model.fuse_pool(tile);
    }
}

/* `count` time steps of a layer. */
SNN_INLINE void run_layer(const snn_layer *layer, const uint8_t *input, uint32_t step, uint32_t count) {
    snn_tile tile;
    tile.first_row = 0U;
    do {
        const uint32_t row = tile.first_row, left = layer->rows - row;
        const uint32_t rows = left < layer->tile_rows ? left : layer->tile_rows;
        const snn_connection *first = layer->connections;
        tile.layer = layer;
        tile.input = input;
        tile.step = step;
        tile.rows = rows;
        tile.source_row = 0U;
        tile.bias = layer->constants;
        tile.bias_step = 0U;
        if ((layer->flags & SNN_KEEPS) != 0U) {
            first = snn_model.keep_current(&tile, 0U);
            deliver(&tile, layer->connections, first);
            first = snn_model.keep_current(&tile, 1U);
        }
        for (uint32_t steps = count; steps != 0U; steps--) {
            tile.layer = layer;
            tile.first = first;
            tile.first_row = row;
            tile.rows = rows;
            tile.source_row = 0U;
            run_step(&tile);
            tile.step++;
            tile.input += snn_model.frame_step;
        }
        tile.first_row = row + rows;
    } while (tile.first_row != layer->rows);
}

SNN_WHOLE void run(const uint8_t *input, uint32_t step, uint32_t count) {
    const snn_layer *layer = snn_model.layers;
    for (uint32_t left = snn_model.layer_count; left != 0U; left--, layer++) {
        if ((layer->flags & SNN_FUSED) == 0U) {
            run_layer(layer, input, step, count);
        }
    }
    if (snn_model.delay != 0) {
        snn_model.delay(0U);
    }
}

void snn_delay_spikes(uint32_t clear) {
    for (const snn_delay *d = snn_model.delays; d < snn_model.delays + snn_model.delay_count; d++) {
        for (uint32_t word = 0; word < d->words; word++) {
            if (clear != 0U) {
                d->to[word] = 0U;
            } else if (d->from != 0) {
                d->to[word] = d->from[word];
            }
        }
    }
}

static uint32_t steps_done;

void snn_reset(void) {
    steps_done = 0U;
    if (snn_model.delay != 0) {
        snn_model.delay(1U);
    }
}

void snn_step(const void *frame) { run(frame, steps_done++, 1U); }

uint32_t snn_classify(const void *input) {
    const uint8_t *frame = input;
    const uint32_t steps = snn_model.timesteps, at_once = snn_model.streaming != 0U ? 1U : steps;
    uint32_t best = 0U;
    snn_reset();
    for (uint32_t step = 0U; step < steps; step += at_once, frame += snn_model.frame_step) {
        run(frame, step, at_once);
    }
    for (uint32_t class = 1; class < snn_model.classes; class++) {
        if (snn_scores[class] > snn_scores[best]) {
            best = class;
        }
    }
    return best;
}
