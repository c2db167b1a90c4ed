"""Arm Cortex-M microcontrollers: plain C with static memory, sized byte by byte, linked against the real memory map and run on an emulated core."""
