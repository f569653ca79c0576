# The layer of torch itself.
# %%
import torch


def layer_norm(x, scale, shift):
    x, scale, shift = (torch.as_tensor(np.array(a)) for a in (x, scale, shift))
    return torch.nn.functional.layer_norm(x, x.shape[1:], scale, shift)
