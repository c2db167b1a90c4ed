/* Descriptors of a network and the kernels that run it. The kernels read every shape from a descriptor, so their code is the
   same for every network; a kernel that no descriptor points to is left out by the linker (--gc-sections).

   Layout of all spikes, pixels and membrane potentials: row by row, all channels of a position together. Spikes are bits,
   lowest bit first, in 32-bit words. Where a network is computed tile by tile, a tile is some whole rows of a layer. */
#ifndef SNN_KERNELS_H
#define SNN_KERNELS_H

#include <stdint.h>

/* Raised whenever descriptors or the packing of weights change: generated data and kernels must agree. */
#define SNN_FORMAT 1

/* Bytes that `count` weights of `bits` bits take, in whole words. */
#define SNN_PACKED_BYTES(count, bits) ((((count) * (bits) + 31U) / 32U) * 4U)

/* Memory that holds 16-bit or 32-bit values in turn. */
#if defined(__GNUC__)
typedef int16_t __attribute__((may_alias)) snn_v16;
typedef int32_t __attribute__((may_alias)) snn_v32;
typedef uint32_t __attribute__((may_alias)) snn_word;
#else
typedef int16_t snn_v16;
typedef int32_t snn_v32;
typedef uint32_t snn_word;
#endif

/* Rows of a layer that are computed together. */
typedef struct snn_tile {
    uint32_t first_row;
    uint32_t rows;
    uint32_t columns;
    uint32_t channels;
    uint32_t source_row; /* of the source: the first one that its memory holds (0 unless the source is a tile itself) */
} snn_tile;

/* Part of a kernel window, on one axis, that falls on a tile. Kernels are stored turned by 180 degrees, so that weights and
   targets go up together. */
typedef struct snn_span {
    uint32_t kernel; /* stored kernel index of the first target; further ones are `stride` apart */
    uint32_t target; /* first target index, from the start of the tile */
    uint32_t count;
} snn_span;

typedef struct snn_connection snn_connection;

/* Where the spikes of one source position arrive. */
typedef struct snn_window {
    const snn_connection *connection;
    const snn_tile *tile;
    void *target; /* membrane potentials of the tile, or spikes (pooling) */
    snn_span rows, columns;
    uint32_t run; /* positions of a row that are one run of neighbours in weights and target */
} snn_window;

/* A kernel: adds what one source neuron delivers, `factor` times: `weight` is the index of the first weight that it needs,
   `neuron` that of the first neuron of the tile. */
typedef void snn_deliver(const snn_window *window, uint32_t weight, uint32_t neuron, int32_t factor);

struct snn_connection {
    snn_deliver *deliver;
    const uint8_t *weights;    /* packed [channel][kernel row][kernel column][output of the group], turned; NULL: all 1 */
    const snn_word *source;    /* spikes of the source, or NULL: the input of the network */
    uint32_t source_step;      /* bytes from the source's spikes of one time step to those of the next; 0: one is kept */
    int32_t multiplier;
    uint16_t rows, columns, channels; /* of the source */
    uint16_t outputs;          /* of one group: the length of a row of weights */
    uint16_t group_channels;   /* source channels of one group */
    uint8_t kernel_rows, kernel_columns, stride, padding;
    uint8_t pixels;            /* 0: the source is spikes; else 1 + the low bits of a pixel that do not enter */
};

/* Every position of the source whose window reaches the tile. */
void snn_scatter(const snn_connection *connection, const void *source, const snn_tile *tile, void *target);

typedef struct snn_layer snn_layer;

/* Neurons of one width: `fill` sets membrane potentials to the bias; `fire` ends a time step and begins the next one:
   threshold, spikes, reset, leak, bias. `bias` holds one value per channel (bias_step 0) or one per neuron (bias_step
   = channels). */
typedef struct snn_neurons {
    void (*fill)(void *membrane, const void *bias, uint32_t bias_step, const snn_tile *tile);
    void (*fire)(const snn_layer *layer, void *membrane, const void *bias, uint32_t bias_step, const snn_tile *tile,
                 snn_word *spikes, uint32_t first_bit);
} snn_neurons;

#define SNN_FRESH 1U   /* no membrane potential survives a step: every step begins with the bias */
#define SNN_READOUT 2U /* integrates and never fires */
#define SNN_POOL 4U    /* fires where any spike lies in the window: no membrane at all */
#define SNN_FUSED 8U   /* a pool that is computed tile by tile with the layer before it */
#define SNN_FUSES 16U  /* the layer before it: its spikes are those of one tile in one step */

struct snn_layer {
    const snn_neurons *neurons;
    void *membrane;            /* of a tile */
    void *current;             /* of a tile: bias plus what constant pixels deliver, or NULL: added again in every step */
    snn_word *spikes;
    const void *thresholds, *biases; /* one per channel, as wide as the membrane potential */
    const snn_connection *connections; /* those from constant pixels first */
    int32_t limit;             /* where a membrane potential saturates */
    uint32_t spike_step;       /* bytes from the spikes of one time step to those of the next; 0: one is kept */
    uint16_t rows, columns, channels, tile_rows;
    uint16_t keep;             /* leak: v * keep / 2^keep_shift, rounded toward zero */
    uint8_t keep_shift;
    uint8_t flags;
    uint8_t connection_count, constant_count;
};

/* Spikes that must outlive their time step: copied at its end (from NULL: not overwritten before they are read). */
typedef struct snn_delay {
    const snn_word *from;
    snn_word *to;
    uint32_t words;
} snn_delay;

struct snn_model_data {
    const snn_layer *layers;
    const snn_delay *delays;
    void (*keep_delayed)(void), (*clear_delayed)(void); /* or NULL */
    int32_t *scores;
    uint32_t frame_step;       /* bytes from the input of one time step to that of the next; 0: constant pixels */
    uint16_t timesteps;
    uint16_t classes;
    uint8_t layer_count;
    uint8_t delay_count;
    uint8_t streaming;         /* one time step through all layers, else all time steps through one tile of one layer */
};

extern const struct snn_model_data snn_model;

/* The entry points, which snn.h documents. */
void snn_reset(void);
void snn_step(const void *frame);
uint32_t snn_classify(const void *input);

/* Kernels by the width of a weight and of a membrane potential:
   words   rows of weights fill whole words, factor 1
   scaled  the same, any factor
   ragged  rows of weights of any length, any factor */
#define SNN_DECLARE(bits, width)                                                                                        \
    snn_deliver snn_w##bits##_v##width##_words, snn_w##bits##_v##width##_scaled, snn_w##bits##_v##width##_ragged;
SNN_DECLARE(8, 16)
SNN_DECLARE(4, 16)
SNN_DECLARE(2, 16)
SNN_DECLARE(8, 32)
SNN_DECLARE(4, 32)
SNN_DECLARE(2, 32)
#undef SNN_DECLARE
/* Kernels without weights: sum pooling and identity; `mark` sets the bit of the target instead. */
snn_deliver snn_unit_v16, snn_unit_v32, snn_mark;

/* 16-bit with a leak of 1/2, 1/4 or 1/8 and a multiple of four channels, any 16-bit ones, 32-bit saturating, 32-bit
   saturating readout */
extern const snn_neurons snn_neurons16_half, snn_neurons16_quarter, snn_neurons16_eighth, snn_neurons16, snn_neurons32,
    snn_readout32;

/* For networks with feedback: at the end of a step, and before the first one. */
void snn_keep_delayed(void);
void snn_clear_delayed(void);

/* What a test build (SNN_TRACE) writes behind the cursor for every neuron at the end of every step: its membrane potential
   after the reset, or SNN_TRACE_SPIKE. */
#define SNN_TRACE_SPIKE INT32_MIN
#if defined(SNN_TRACE)
extern int32_t *snn_trace_cursor;
#endif

#endif
