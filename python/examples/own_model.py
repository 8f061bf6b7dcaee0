"""Trains an encoder and a decoder with PyTorch, and gives them to vecodec."""

import torch
import vecodec

torch.manual_seed(0)
x = torch.nn.functional.normalize(torch.randn(4000, 16) @ torch.randn(16, 96))
encoder, decoder = torch.nn.Linear(96, 16), torch.nn.Linear(16, 96)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.01)
for step in range(400):
    rows = x[torch.randint(len(x), (256,))]
    loss = (decoder(encoder(rows)) - rows).square().sum(dim=1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

codec = vecodec.Codec(vecodec.from_weights(encoder, decoder))
codes = codec.encode(x)                       # 16 latents of 8 bits, and a scale
print(codec.evaluate(x))
