/* T steps of leaky integrate-and-fire neurons and their gradient, in one pass over memory each.
 *
 * The arithmetic is that of stages/snn/steps.py, operation by operation, so the spikes are the same; what differs is that a
 * membrane potential stays in the cache from its first step to its last. Arrays are [T][blocks][size]. Threshold and bias belong
 * to a channel; where a channel is a plane of its own (NCHW) a block is one channel of one sample, where the channels lie
 * innermost (NHWC) a block is some whole pixels. A caller hands each thread its own blocks.
 *
 * This file includes itself once for each pair of types: CURRENT is what arrives (and what potentials are kept as for the
 * gradient), REAL is what the recurrence is computed in. All whole numbers of the integer phase are exact in REAL.
 */
#ifndef CURRENT

#include <math.h>
#include <stdlib.h>

typedef struct {
    long steps, blocks, size, channels;
    long innermost;          /* channels lie innermost; size is a multiple of them */
    long held;               /* the current is the same in all steps: there is one of it */
    long integer;            /* the leak rounds toward zero, the potential saturates at limit */
    long detached;           /* the gradient ignores the reset */
    long fires;
    double keep, scale, limit, alpha;
    const double *threshold; /* [channels], scaled; NULL if it does not fire */
    const double *bias;      /* [channels], scaled, or NULL */
} Neuron;

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

#define CURRENT float
#define REAL float
#define SUFFIX float_float
#include "fused.c"
#define CURRENT float
#define REAL double
#define SUFFIX float_double
#include "fused.c"
#define CURRENT double
#define REAL double
#define SUFFIX double_double
#include "fused.c"

#else

/* A constant per channel for each neuron of a block. */
static void PASTE(spread, SUFFIX)(const Neuron *n, long block, const double *constants, double otherwise, REAL *to)
{
    for (long j = 0; j < n->size; j++)
        to[j] = constants ? (REAL)constants[n->innermost ? j % n->channels : block % n->channels] : (REAL)otherwise;
}

/* Spikes and potentials before the reset, [T][blocks][size], of the blocks first to last; v is read, and left as after the last
 * reset. */
void PASTE(forward, SUFFIX)(const Neuron *n, long first, long last, const CURRENT *current, REAL *v, CURRENT *potentials,
                            float *spikes)
{
    const REAL keep = (REAL)n->keep, scale = (REAL)n->scale, limit = (REAL)n->limit;
    const long size = n->size, step = n->blocks * size;
    REAL *restrict biases = malloc(2 * (size_t)size * sizeof(REAL)), *restrict thresholds = biases + size;
    for (long block = first; block < last; block++) {
        REAL *restrict u = v + block * size;
        if (block == first || !n->innermost) {
            PASTE(spread, SUFFIX)(n, block, n->bias, 0, biases);
            PASTE(spread, SUFFIX)(n, block, n->threshold, INFINITY, thresholds);
        }
        for (long t = 0; t < n->steps; t++) {
            const CURRENT *restrict in = current + (n->held ? 0 : t * step) + block * size;
            CURRENT *restrict p = potentials + t * step + block * size;
            float *restrict s = spikes + t * step + block * size;
            if (n->integer) {
                for (long j = 0; j < size; j++) {
                    const REAL kept = sizeof(REAL) == 4 ? (REAL)truncf((float)(u[j] * keep)) : (REAL)trunc(u[j] * keep);
                    REAL x = kept + ((REAL)in[j] * scale + biases[j]);
                    x = x > limit ? limit : x < -limit ? -limit : x;
                    p[j] = (CURRENT)x;
                    s[j] = x > thresholds[j] ? 1 : 0;
                    u[j] = x > thresholds[j] ? 0 : x;
                }
            } else {
                for (long j = 0; j < size; j++) {
                    const REAL x = u[j] * keep + ((REAL)in[j] + biases[j]);
                    p[j] = (CURRENT)x;
                    s[j] = x > thresholds[j] ? 1 : 0;
                    u[j] = x > thresholds[j] ? 0 : x;
                }
            }
        }
    }
    free(biases);
}

/* Gradients: of_v [blocks][size] comes in as that of the last potential and leaves as that of the first; of_spikes may be NULL.
 * sums [2][channels] gets the gradients of threshold and bias added; each thread brings its own. */
void PASTE(backward, SUFFIX)(const Neuron *n, long first, long last, const CURRENT *potentials, const float *of_spikes,
                             REAL *of_v, CURRENT *of_current, double *sums)
{
    const REAL keep = (REAL)n->keep, scale = (REAL)n->scale, attached = n->detached ? 0 : 1;
    const REAL half = (REAL)(n->alpha / 2), bend = (REAL)(3.14159265358979323846 * n->alpha / 2);
    const long size = n->size, step = n->blocks * size;
    REAL *restrict slopes = malloc(3 * (size_t)size * sizeof(REAL));
    REAL *restrict drives = slopes + size, *restrict thresholds = drives + size;
    for (long block = first; block < last; block++) {
        REAL *restrict carried = of_v + block * size;
        if (block == first || !n->innermost)
            PASTE(spread, SUFFIX)(n, block, n->threshold, INFINITY, thresholds);
        for (long j = 0; j < size; j++)
            slopes[j] = drives[j] = 0;
        for (long t = n->steps - 1; t >= 0; t--) {
            const CURRENT *restrict p = potentials + t * step + block * size;
            CURRENT *restrict out = of_current + (n->held ? 0 : t * step) + block * size;
            if (n->fires && of_spikes) {
                const float *restrict of = of_spikes + t * step + block * size;
                for (long j = 0; j < size; j++) {
                    const REAL x = (REAL)p[j], per = 1 / thresholds[j], bent = bend * (x * per - 1);
                    const REAL slope = half * per / (1 + bent * bent) * ((REAL)of[j] - attached * carried[j] * x);
                    const REAL g = slope + (x > thresholds[j] ? 0 : carried[j]);
                    slopes[j] += slope;
                    drives[j] += g;
                    out[j] = (CURRENT)(g * scale);
                    carried[j] = g * keep;
                }
            } else {
                for (long j = 0; j < size; j++) {
                    const REAL g = (REAL)p[j] > thresholds[j] ? 0 : carried[j];
                    drives[j] += g;
                    out[j] = (CURRENT)(g * scale);
                    carried[j] = g * keep;
                }
            }
        }
        if (n->held) { /* what all steps send back reaches the one current */
            CURRENT *restrict out = of_current + block * size;
            for (long j = 0; j < size; j++)
                out[j] = (CURRENT)(drives[j] * scale);
        }
        if (n->innermost) {
            for (long pixel = 0; pixel < size; pixel += n->channels)
                for (long c = 0; c < n->channels; c++) {
                    sums[c] -= slopes[pixel + c];
                    sums[n->channels + c] += drives[pixel + c];
                }
        } else {
            double slope = 0, drive = 0;
            for (long j = 0; j < size; j++) {
                slope += slopes[j];
                drive += drives[j];
            }
            sums[block % n->channels] -= slope;
            sums[n->channels + block % n->channels] += drive;
        }
    }
    free(slopes);
}

#undef CURRENT
#undef REAL
#undef SUFFIX
#endif
