/* Descriptors of a network and the kernels that run it. The kernels read every shape from a descriptor, so their code is the
   same for every network; a kernel that no descriptor points to is left out by the linker (--gc-sections).

   Layout of all spikes, pixels and membrane potentials: row by row, all channels of a position together. Spikes are bits,
   lowest bit first, in 32-bit words. Where a network is computed tile by tile, a tile is some whole rows of a layer. */
#ifndef SNN_KERNELS_H
#define SNN_KERNELS_H

#include <stdint.h>

/* Raised whenever descriptors or the packing of weights change: generated data and kernels must agree. */
#define SNN_FORMAT 2

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

typedef struct snn_connection snn_connection;
typedef struct snn_layer snn_layer;
typedef struct snn_tile snn_tile;
typedef struct snn_walk snn_walk;

/* A synaptic kernel: adds `count` neighbouring weights, from index `weight` on, to neighbouring membrane potentials of the
   tile, from index `neuron` on. */
typedef void snn_add(const snn_walk *walk, uint32_t weight, uint32_t neuron, uint32_t count);

struct snn_connection {
    snn_add *add;
    const uint8_t *weights;    /* packed [channel][kernel row][kernel column][output of the group], turned by 180 degrees,
                                  so that weights and targets go up together; NULL: all 1 */
    const snn_word *source;    /* spikes of the source, or NULL: the input of the network */
    int32_t multiplier;
    uint16_t source_words;     /* from the source's spikes of one time step to those of the next; 0: one step is kept */
    uint16_t rows, columns, channels; /* of the source */
    uint16_t outputs;          /* of one group: the length of a row of weights */
    uint16_t group_channels;   /* source channels of one group */
    uint8_t kernel_rows, kernel_columns, stride, padding;
};

#define SNN_FRESH 1U   /* no membrane potential survives a step: every step begins with the bias */
#define SNN_AROUND 2U  /* `neurons` is called before the synapses as well (readout, pool) */
#define SNN_WIDE 4U    /* 32-bit membrane potentials */
#define SNN_FUSED 8U   /* a pool that is computed tile by tile with the layer before it */
#define SNN_FUSES 16U  /* the layer before it: its spikes are those of one tile in one step */
#define SNN_KEEPS 32U  /* behind the membrane potentials of the tile lies their current from constant pixels */

struct snn_layer {
    /* Ends a time step and begins the next one: threshold, spikes, reset, leak, bias. */
    void (*neurons)(const snn_tile *tile, uint32_t after);
    void *membrane;            /* of a tile; NULL: a pool */
    snn_word *spikes;
    const void *constants;     /* bias of every channel, then threshold of every channel, as wide as membrane potentials */
    const snn_connection *connections; /* those from constant pixels first */
    uint16_t rows, columns, channels, tile_rows;
    uint16_t spike_words;      /* from the spikes of one time step to those of the next; 0: one step is kept */
    uint16_t keep;             /* leak: v * keep / 2^keep_shift, rounded toward zero */
    uint8_t keep_shift;
    uint8_t limit_bits;        /* 32-bit membrane potentials saturate at +-(2^limit_bits - 1) */
    uint8_t flags;
    uint8_t connection_count;
};

/* Rows of a layer that are computed together, in one time step. */
struct snn_tile {
    const snn_layer *layer;
    const snn_connection *first; /* of the connections that deliver in this step */
    const uint8_t *input;      /* of the network, in this time step */
    uint32_t step;
    uint32_t first_row, rows;
    uint32_t source_row;       /* of the source: the first one that its memory holds (0 unless the source is a tile itself) */
    void *target;              /* what synapses add to: membrane potentials, a current, or the spikes of a pool */
    const void *bias;          /* what a step begins with: one value per channel (bias_step 0) or per neuron */
    uint32_t bias_step;
    snn_word *spikes;          /* of the layer in this step */
    uint32_t first_bit;        /* of the tile in them */
};

/* Part of a kernel window, on one axis, that falls on a tile. */
typedef struct snn_reach {
    int32_t kernel;            /* index in the kernel with which the first target is reached; below 0: none is */
    uint32_t target;           /* first target index, from the start of the tile */
} snn_reach;

/* How far the walk over a source has come. */
struct snn_walk {
    const uint8_t *weights;
    void *target;
    int32_t factor;            /* how many times a weight is added */
    const snn_connection *connection;
    const snn_tile *tile;
    snn_reach y, x;
    uint32_t rows;             /* targets below each other */
    uint32_t runs, length;     /* targets beside each other: neighbours in memory, and how many such runs */
    uint32_t end;              /* first index, in the row of the source, behind the channels of the current position */
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
    /* Parts of the driver that not every network needs, or NULL. */
    void (*delay)(uint32_t clear); /* feedback */
    void (*read_pixels)(snn_walk *walk, const uint8_t *pixels, uint32_t count); /* an input of pixels, not of spikes */
    const snn_connection *(*keep_current)(snn_tile *tile, uint32_t done); /* layers with SNN_KEEPS */
    void (*fuse_pool)(snn_tile *tile); /* layers with SNN_FUSES */
    uint32_t frame_step;       /* bytes from the input of one time step to that of the next; 0: constant pixels */
    uint16_t timesteps;
    uint16_t classes;
    uint8_t layer_count;
    uint8_t delay_count;
    uint8_t streaming;         /* one time step through all layers, else all time steps through one tile of one layer */
    uint8_t pixel_shift;       /* low bits of a pixel that do not enter */
};

extern const struct snn_model_data snn_model;
extern int32_t snn_scores[];

void snn_delay_spikes(uint32_t clear);
void snn_read_pixels(snn_walk *walk, const uint8_t *pixels, uint32_t count);
const snn_connection *snn_keep_current(snn_tile *tile, uint32_t done);
void snn_fuse_pool(snn_tile *tile);

/* The entry points, which snn.h documents. */
void snn_reset(void);
void snn_step(const void *frame);
uint32_t snn_classify(const void *input);

/* Spikes of the source from which rows of the tile are reached, and what they deliver. */
void snn_scatter(const snn_tile *tile, const snn_connection *connection, const void *source);

/* Kernels by the width of a weight and of a membrane potential:
   words   rows of weights fill whole words, factor 1
   scaled  the same, any factor
   ragged  rows of weights of any length, any factor */
#define SNN_DECLARE(bits, width)                                                                                        \
    snn_add snn_w##bits##_v##width##_words, snn_w##bits##_v##width##_scaled, snn_w##bits##_v##width##_ragged;
SNN_DECLARE(8, 16)
SNN_DECLARE(4, 16)
SNN_DECLARE(2, 16)
SNN_DECLARE(8, 32)
SNN_DECLARE(4, 32)
SNN_DECLARE(2, 32)
#undef SNN_DECLARE
/* Kernels without weights: sum pooling and identity; `mark` sets the bit of the target instead. */
snn_add snn_unit_v16, snn_unit_v32, snn_mark;

/* 16-bit with a leak of 1/2, 1/4 or 1/8 and a multiple of four channels, any 16-bit ones, 32-bit saturating, 32-bit
   saturating readout that integrates and never fires, and a pool, which fires where any spike lies in the window */
void snn_neurons16_half(const snn_tile *tile, uint32_t after);
void snn_neurons16_quarter(const snn_tile *tile, uint32_t after);
void snn_neurons16_eighth(const snn_tile *tile, uint32_t after);
void snn_neurons16(const snn_tile *tile, uint32_t after);
void snn_neurons32(const snn_tile *tile, uint32_t after);
void snn_readout32(const snn_tile *tile, uint32_t after);
void snn_pool(const snn_tile *tile, uint32_t after);

/* Sets membrane potentials of a tile to what a step begins with. */
void snn_fill(const snn_tile *tile);

/* What a test build (SNN_TRACE) writes behind the cursor for every neuron at the end of every step: its membrane potential
   after the reset, or SNN_TRACE_SPIKE. */
#define SNN_TRACE_SPIKE INT32_MIN
#if defined(SNN_TRACE)
extern int32_t *snn_trace_cursor;
#define SNN_TRACED(spike, value) (*snn_trace_cursor++ = (spike) ? SNN_TRACE_SPIKE : (value))
#else
#define SNN_TRACED(spike, value) ((void)0)
#endif

#define SNN_INLINE static inline __attribute__((always_inline))

/* v * keep / 2^shift toward zero. */
SNN_INLINE int32_t snn_leak(int32_t v, int32_t keep, uint32_t shift) {
    const int32_t product = v * keep;
    return (product + ((product >> 31) & ((1 << shift) - 1))) >> shift;
}

/* A 32-bit membrane potential, saturated. */
SNN_INLINE int32_t snn_limited(int32_t v, const snn_layer *layer) {
    const int32_t limit = (int32_t)((1U << layer->limit_bits) - 1U);
    return v > limit ? limit : v < -limit ? -limit : v;
}

#endif
