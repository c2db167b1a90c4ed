"""Arm Cortex-M microcontrollers: plain C with static memory, sized byte by byte and run on an emulated core."""
