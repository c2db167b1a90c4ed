"""Linux boards that run ONNX Runtime: one integer graph, written node by node, sized and measured on the runtime's heap."""
