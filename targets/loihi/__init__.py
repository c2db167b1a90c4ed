"""The family `loihi`: Intel's Loihi 1 and 2, written for Lava and executed by Lava's fixed-point simulator, without silicon."""
