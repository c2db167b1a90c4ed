/* The input buffer of the measured firmware: one image, or all frames of spikes that one call takes. */
#include "snn.h"

_Alignas(4) uint8_t firmware_input[SNN_INPUT_BYTES];
