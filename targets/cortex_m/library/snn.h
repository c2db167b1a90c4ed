/* The public interface of a spiking neural network that spikeport exported. Plain C11: no heap, no libc, no floating point.

   All memory is static. What the network keeps and how large it is stands in snn_model.h; the caller provides the input only:

   - SNN_INPUT_PIXELS 1: SNN_FRAME_BYTES unsigned pixels, row by row, all channels of a pixel together. The same frame is
     shown to the network for all SNN_TIMESTEPS time steps.
   - SNN_INPUT_PIXELS 0: frames of 0/1 spikes in the same order, one bit each, lowest bit of the first byte first, every
     frame padded to SNN_FRAME_BYTES (a multiple of 4) with zeros and aligned to 4 bytes; one frame for each time step. */
#ifndef SNN_H
#define SNN_H

#include <stdint.h>

#include "snn_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Membrane potentials of the readout, which are the scores of the classes; valid after snn_classify or the last snn_step. */
extern int32_t snn_scores[SNN_CLASSES];

/* Classifies one input: a frame of pixels, or SNN_TIMESTEPS frames of spikes one behind the other. Returns the class of the
   highest score; the lowest index wins a tie. */
uint32_t snn_classify(const void *input);

#if SNN_STREAMING
/* Forgets everything: the next step is the first one. */
void snn_reset(void);

/* One time step with one frame. After snn_reset at most SNN_TIMESTEPS steps may follow: the widths of the membrane
   potentials are proven for that many. */
void snn_step(const void *frame);
#endif

#ifdef __cplusplus
}
#endif

#endif
