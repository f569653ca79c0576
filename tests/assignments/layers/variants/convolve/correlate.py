# np.correlate, channel by channel.
# %%
def convolve(x, filters, bias):
    out = []
    for o in range(len(filters)):
        channels = [np.correlate(x[c], filters[o, c], mode="valid") for c in range(len(x))]
        out.append(np.sum(channels, axis=0) + bias[o])
    return np.array(out)
