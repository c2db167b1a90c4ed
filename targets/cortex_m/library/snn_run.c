/* The two schedules and the public functions.

   Streaming: one time step through all layers; a layer is one tile and every membrane potential is kept.
   Time-batched: one tile of a layer through all time steps before the next one; what remains between layers are bits.
   A membrane potential depends on the inputs of its own neuron only, so both give the same spikes. */
#include "snn_kernels.h"

/* Synapses run below run and deliver, neurons below run: the depth of the stack is the same on every path to a kernel. */
#define SNN_INLINE static inline __attribute__((always_inline))
#define SNN_WHOLE static __attribute__((noinline))

/* Time steps to compute, and where their input lies. */
typedef struct steps {
    const uint8_t *input;
    uint32_t first, count;
} steps;

SNN_INLINE snn_word *at_step(const void *words, uint32_t step, uint32_t bytes) {
    return (snn_word *)(void *)((uintptr_t)words + (uintptr_t)(step * bytes));
}

SNN_WHOLE void deliver(const snn_connection *k, uint32_t count, const steps *s, uint32_t step, const snn_tile *tile,
                       void *target) {
    for (; count != 0U; count--, k++) {
        const void *source = k->source;
        if (source == 0) {
            source = s->input + (step - s->first) * snn_model.frame_step;
        } else {
            source = at_step(source, step, k->source_step);
        }
        snn_scatter(k, source, tile, target);
    }
}

#if defined(SNN_TRACE)
SNN_INLINE void trace_pool(const snn_word *spikes, uint32_t first_bit, uint32_t count) {
    for (uint32_t bit = first_bit; count != 0U; count--, bit++) {
        *snn_trace_cursor++ = (spikes[bit >> 5] >> (bit & 31U)) & 1U ? SNN_TRACE_SPIKE : 0;
    }
}
#endif

/* One step of a pooling layer, of the rows that a tile of the layer before makes, or of all. */
SNN_INLINE void pool(const snn_layer *layer, const steps *s, uint32_t step, const snn_tile *tile) {
    snn_word *spikes = at_step(layer->spikes, step, layer->spike_step);
    if (tile->first_row == 0U) {
        uint32_t words = ((uint32_t)layer->rows * layer->columns * layer->channels + 31U) / 32U;
        while (words != 0U) {
            spikes[--words] = 0U;
        }
    }
    deliver(layer->connections, layer->connection_count, s, step, tile, spikes);
#if defined(SNN_TRACE)
    trace_pool(spikes, tile->first_row * tile->columns * tile->channels, tile->rows * tile->columns * tile->channels);
#endif
}

/* The pool that takes its spikes from a tile at once, so that they need not be kept. */
SNN_INLINE void pool_tile(const snn_layer *layer, const steps *s, uint32_t step, const snn_tile *made) {
    const uint32_t stride = layer->connections->stride;
    snn_tile tile = {0U, 0U, layer->columns, layer->channels, made->first_row};
    for (uint32_t row = stride; row <= made->first_row; row += stride) {
        tile.first_row++;
    }
    for (uint32_t row = stride; row <= made->rows; row += stride) {
        tile.rows++;
    }
    if (tile.rows != 0U) {
        pool(layer, s, step, &tile);
    }
}

SNN_INLINE void step_tile(const snn_layer *layer, const steps *s, uint32_t step, const snn_tile *tile) {
    const void *bias = layer->current != 0 ? layer->current : layer->biases;
    const uint32_t bias_step = layer->current != 0 ? tile->channels : 0U;
    const uint32_t done = layer->current != 0 ? layer->constant_count : 0U;
    const uint32_t fuses = layer->flags & SNN_FUSES;
    if (step == 0U || (layer->flags & SNN_FRESH) != 0U) {
        layer->neurons->fill(layer->membrane, bias, bias_step, tile);
    } else if ((layer->flags & SNN_READOUT) != 0U) {
        layer->neurons->fire(layer, layer->membrane, bias, bias_step, tile, 0, 0U);
    }
    deliver(layer->connections + done, layer->connection_count - done, s, step, tile, layer->membrane);
    if ((layer->flags & SNN_READOUT) != 0U) {
        layer->neurons->fire(layer, layer->membrane, bias, bias_step, tile, 0, 1U);
        return;
    }
    layer->neurons->fire(layer, layer->membrane, bias, bias_step, tile, at_step(layer->spikes, step, layer->spike_step),
                         fuses ? 0U : tile->first_row * tile->columns * tile->channels);
    if (fuses) {
        pool_tile(layer + 1, s, step, tile);
    }
}

SNN_INLINE void run_layer(const snn_layer *layer, const steps *s) {
    snn_tile tile = {0U, layer->tile_rows, layer->columns, layer->channels, 0U};
    for (; tile.first_row < layer->rows; tile.first_row += layer->tile_rows) {
        if (tile.rows > layer->rows - tile.first_row) {
            tile.rows = layer->rows - tile.first_row;
        }
        if (layer->current != 0) {
            layer->neurons->fill(layer->current, layer->biases, 0U, &tile);
            deliver(layer->connections, layer->constant_count, s, s->first, &tile, layer->current);
        }
        for (uint32_t step = s->first; step < s->first + s->count; step++) {
            if ((layer->flags & SNN_POOL) != 0U) {
                pool(layer, s, step, &tile);
            } else {
                step_tile(layer, s, step, &tile);
            }
        }
    }
}

SNN_WHOLE void run(const void *input, uint32_t first, uint32_t count) {
    const steps s = {input, first, count};
    for (uint32_t index = 0; index < snn_model.layer_count; index++) {
        if ((snn_model.layers[index].flags & SNN_FUSED) == 0U) {
            run_layer(&snn_model.layers[index], &s);
        }
    }
    if (snn_model.keep_delayed != 0) {
        snn_model.keep_delayed();
    }
}

void snn_keep_delayed(void) {
    for (const snn_delay *d = snn_model.delays; d < snn_model.delays + snn_model.delay_count; d++) {
        for (uint32_t word = 0; d->from != 0 && word < d->words; word++) {
            d->to[word] = d->from[word];
        }
    }
}

void snn_clear_delayed(void) {
    for (const snn_delay *d = snn_model.delays; d < snn_model.delays + snn_model.delay_count; d++) {
        for (uint32_t word = 0; word < d->words; word++) {
            d->to[word] = 0U;
        }
    }
}

static uint32_t steps_done;

void snn_reset(void) {
    steps_done = 0U;
    if (snn_model.clear_delayed != 0) {
        snn_model.clear_delayed();
    }
}

SNN_INLINE void run_step(const void *frame) {
    run(frame, steps_done, 1U);
    steps_done++; /* behind the call, which is no tail call then: the depth of the stack stays the sum of the frames */
}

void snn_step(const void *frame) { run_step(frame); }

uint32_t snn_classify(const void *input) {
    const uint8_t *frame = input;
    uint32_t best = 0U;
    if (snn_model.streaming != 0U) {
        snn_reset();
        for (uint32_t step = 0; step < snn_model.timesteps; step++, frame += snn_model.frame_step) {
            run_step(frame);
        }
    } else {
        run(input, 0U, snn_model.timesteps);
    }
    for (uint32_t class = 1; class < snn_model.classes; class++) {
        if (snn_model.scores[class] > snn_model.scores[best]) {
            best = class;
        }
    }
    return best;
}
