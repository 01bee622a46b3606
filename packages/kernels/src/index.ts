// Readable WGSL kernels for training and inference, each with a typed launcher.
