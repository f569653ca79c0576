# The layer of torch itself.
# %%
import torch


def convolve(x, filters, bias):
    x, filters, bias = (torch.as_tensor(np.array(a)) for a in (x, filters, bias))
    return torch.nn.functional.conv1d(x[None], filters, bias)[0]
