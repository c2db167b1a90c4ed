/* The firmware that is measured: vector table, reset, and a loop that classifies whatever lies in the input buffer.

   Whoever runs it (an emulator, a debugger) stops at firmware_exchange, takes the scores and puts the next input in place:
   pixels or all frames of spikes, or, when spikes are streamed, the frame of the next time step. */
#include "snn_kernels.h"

extern uint32_t firmware_bss[], firmware_bss_end[], firmware_stack_top[];
extern uint8_t firmware_input[];
uint32_t firmware_class;

__attribute__((noinline, used)) void firmware_exchange(void) { __asm__ volatile("" ::: "memory"); }

static inline __attribute__((always_inline)) void firmware_main(void) {
    for (;;) {
        firmware_exchange();
        if (snn_model.streaming != 0U && snn_model.frame_step != 0U) {
            snn_reset();
            for (uint32_t step = 0; step < snn_model.timesteps; step++) {
                snn_step(firmware_input);
                firmware_exchange();
            }
        } else {
            firmware_class = snn_classify(firmware_input);
        }
    }
}

__attribute__((noreturn, used)) void firmware_reset(void) {
    for (uint32_t *word = firmware_bss; word < firmware_bss_end; word++) {
        *word = 0U;
    }
    firmware_main();
    for (;;) {
    }
}

__attribute__((noreturn, used)) void firmware_fault(void) {
    for (;;) {
    }
}

/* The sixteen system vectors of the architecture: initial stack pointer, reset, faults. */
__attribute__((section(".vectors"), used)) const void *const firmware_vectors[16] = {
    firmware_stack_top,     (const void *)firmware_reset, (const void *)firmware_fault, (const void *)firmware_fault,
    (const void *)firmware_fault, (const void *)firmware_fault, (const void *)firmware_fault, 0, 0, 0, 0,
    (const void *)firmware_fault, (const void *)firmware_fault, 0, (const void *)firmware_fault,
    (const void *)firmware_fault};
