// Classifies one input and prints the scores. Fill `input` from a sensor, laid out as snn.h says.
#include <snn.h>

alignas(4) static uint8_t input[SNN_INPUT_BYTES];

void setup() { Serial.begin(115200); }

void loop() {
#if SNN_STREAMING && !SNN_INPUT_PIXELS
  snn_reset();
  for (int step = 0; step < SNN_TIMESTEPS; step++) {
    snn_step(input);  // one frame of spikes for each time step
  }
#else
  snn_classify(input);
#endif
  for (int index = 0; index < SNN_CLASSES; index++) {
    Serial.println(snn_scores[index]);
  }
  delay(1000);
}
