# Windows are taken every second step.
# earns: 0
# %%
def convolve(x, filters, bias):
    width = filters.shape[2]
    starts = range(0, x.shape[1] - width + 1, 2)
    columns = [np.sum(filters * x[:, t : t + width], axis=(1, 2)) + bias for t in starts]
    return np.array(columns).T
