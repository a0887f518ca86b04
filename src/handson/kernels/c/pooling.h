/* ReLU and 2x2 max-pooling of two rows of an image, dropout of what comes out, and the backward pass. */

#ifndef HANDSON_POOLING_H
#define HANDSON_POOLING_H

#include "dropping.h"

/* Which of a window's four values won; nothing where none is positive, or where the output was dropped. */
#define NOTHING 4.0f

/* For each channel: a value x becomes (x - centre) * factor + shift. */
typedef struct {
    const float *centre, *factor, *shift;
} channel_lines;

/* What is dropped; with a threshold of 0 nothing is. */
typedef struct {
    const int64_t *rows; /* the numbers of the samples */
    uint64_t key, threshold;
    double scale;
} drop_settings;

INLINE vec load_some(const float *place, int64_t count, bool whole)
{
    return whole ? load(place) : load_first(place, count);
}
INLINE void store_some(float *place, vec values, int64_t count, bool whole)
{
    if (whole)
        store(place, values);
    else
        store_first(place, values, count);
}
INLINE vec load_some_bytes(const uint8_t *place, int64_t count, bool whole)
{
    return whole ? load_bytes(place) : load_part_bytes(place, count);
}
INLINE void store_some_bytes(uint8_t *place, vec values, int64_t count, bool whole)
{
    if (whole)
        store_bytes(place, values);
    else
        store_part_bytes(place, values, count);
}

/* The vector of channels from c on. */
INLINE void pool_channels(
    const float *upper, const float *lower, int64_t step, float *y, uint8_t *winners, int64_t along, int64_t channels,
    channel_lines lines, int64_t c, bool whole)
{
    const int64_t more = channels - c;
    const vec centre = load_some(lines.centre + c, more, whole), factor = load_some(lines.factor + c, more, whole);
    const vec shift = load_some(lines.shift + c, more, whole), zero = spread(0);
    for (int64_t j = 0; j < along; j++) {
        const float *places[4] = {upper + 2 * j * step, upper + (2 * j + 1) * step,
                                  lower + 2 * j * step, lower + (2 * j + 1) * step};
        vec best = (load_some(places[0] + c, more, whole) - centre) * factor + shift, winner = zero;
        for (int corner = 1; corner < 4; corner++) {
            vec other = (load_some(places[corner] + c, more, whole) - centre) * factor + shift;
            ivec wins = (other > best) | (other != other);
            best = choose(wins, other, best);
            winner = choose(wins, spread((float)corner), winner);
        }
        ivec wins = (best > zero) | (best != best);
        store_some(y + j * channels + c, choose(wins, best, zero), more, whole);
        store_some_bytes(winners + j * channels + c, choose(wins, winner, spread(NOTHING)), more, whole);
    }
}

/* y[j, c] = the largest of relu((x - centre[c]) * factor[c] + shift[c]) in a window of two rows x, whose columns are
   `step` values from each other. A NaN in a window wins, as in PyTorch. */
INLINE void pool_rows(
    const float *upper, const float *lower, int64_t step, float *y, uint8_t *winners, int64_t along, int64_t channels,
    channel_lines lines)
{
    int64_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        pool_channels(upper, lower, step, y, winners, along, channels, lines, c, true);
    if (c < channels)
        pool_channels(upper, lower, step, y, winners, along, channels, lines, c, false);
}

/* Scale or drop the outputs of image n, `count` values. */
INLINE void drop_image(const drop_settings *drop, int64_t n, float *y, uint8_t *winners, int64_t count)
{
    const uint32_t threshold = (uint32_t)drop->threshold;
    const float scale = (float)drop->scale;
    if (!threshold)
        return;
    const row_pair words = row_words(drop->key, drop->rows[n]);
    int64_t j = 0;
    for (; j + LANES <= count; j += LANES) {
        ivec kept = kept_from(words, j, threshold);
        store(y + j, load(y + j) * choose(kept, spread(scale), spread(0)));
        store_bytes(winners + j, choose(kept, load_bytes(winners + j), spread(NOTHING)));
    }
    for (; j < count; j++) {
        bool kept = element_word(words, (uint32_t)j) >= threshold;
        y[j] *= kept ? scale : 0.0f;
        winners[j] = kept ? winners[j] : (uint8_t)NOTHING;
    }
}

INLINE void unpool_channels(
    const float *gradient, const uint8_t *winners, float *upper, float *lower, int64_t step, int64_t along,
    int64_t channels, float scale, int64_t c, bool whole)
{
    const int64_t more = channels - c;
    for (int64_t j = 0; j < along; j++) {
        const vec slope = load_some(gradient + j * channels + c, more, whole) * scale;
        const vec winner = load_some_bytes(winners + j * channels + c, more, whole);
        float *places[4] = {upper + 2 * j * step, upper + (2 * j + 1) * step,
                            lower + 2 * j * step, lower + (2 * j + 1) * step};
        for (int corner = 0; corner < 4; corner++)
            store_some(
                places[corner] + c, choose(winner == spread((float)corner), slope, spread(0)), more, whole);
    }
}

/* The gradient, scaled, goes to the winner of each window of two rows; all else in the windows is 0. */
INLINE void unpool_rows(
    const float *gradient, const uint8_t *winners, float *upper, float *lower, int64_t step, int64_t along,
    int64_t channels, float scale)
{
    int64_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        unpool_channels(gradient, winners, upper, lower, step, along, channels, scale, c, true);
    if (c < channels)
        unpool_channels(gradient, winners, upper, lower, step, along, channels, scale, c, false);
}

#endif
