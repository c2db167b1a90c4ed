"""Programs that run in Lava's own Python environment. spikeport never imports them: it copies and starts them."""
