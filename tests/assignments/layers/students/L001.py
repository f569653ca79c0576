# %% [markdown]
# # Lab: two layers by hand

# %%
import numpy as np

rng = np.random.default_rng(7)
x = rng.normal(size=(4, 5))

# %% [markdown]
# ## Layer normalisation
#
# Bring each row of `x` to mean 0 and variance 1 (add 1e-5 to the variance), multiply by `scale` and add `shift`.


# %%
def layer_norm(x, scale, shift):
    mean = np.mean(x, axis=1, keepdims=True)
    variance = np.var(x, axis=1, keepdims=True)
    return scale * (x - mean) / np.sqrt(variance) + shift


# %%
print(layer_norm(x, np.ones(5), np.zeros(5)))

# %% [markdown]
# ## Convolution
#
# Slide each filter along the input: `filters` has the shape (outputs, channels, width).


# %%
def conv1d(x, filters, bias):
    outputs, channels, width = filters.shape
    out = np.empty((outputs, x.shape[1] - width + 1))
    for o in range(outputs):
        for t in range(out.shape[1]):
            total = bias[o]
            for c in range(channels):
                for k in range(width):
                    total += filters[o, c, k] * x[c, t + k]
            out[o, t] = total
    return out


# %%
print(conv1d(x, np.ones((2, 4, 3)), np.zeros(2)))
