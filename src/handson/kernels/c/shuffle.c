/* The order of an epoch's rows: see shuffle.py. */

#include "vectors.h"

#define GAMMA 0x9E3779B97F4A7C15u
#define FIRST 0xBF58476D1CE4E5B9u
#define SECOND 0x94D049BB133111EBu

typedef struct {
    uint64_t key;
    int64_t count, far, near; /* rows; bits that say the part of a row; bits that say its place in the part */
    uint64_t *words, *sorted_words; /* `sorted_words` are zeros */
    int64_t *rows, *ends, *places, *order; /* `ends`, as many as parts and one, are zeros; part k ends at ends[k] */
} shuffle_record;

/* The random word of a row, as in `handson.randomness.keys.words64`. */
INLINE uint64_t word_of(uint64_t key, int64_t row)
{
    uint64_t state = (uint64_t)(row + 1) * GAMMA + key;
    state = (state ^ (state >> 30)) * FIRST;
    state = (state ^ (state >> 27)) * SECOND;
    return state ^ (state >> 31);
}

/* Deal rows and their words into parts by the upper bits of the words. */
static void deal(const shuffle_record *job)
{
    /* Shifted by 64 a word would stay what it is. */
    int64_t shift = 63 - job->far, parts = (int64_t)1 << job->far;
    for (int64_t row = 0; row < (parts > 1 ? job->count : 0); row++)
        job->ends[((word_of(job->key, row) >> 1) >> shift) + 1]++;
    for (int64_t part = 1; part <= parts; part++)
        job->ends[part] += job->ends[part - 1];
    for (int64_t row = 0; row < job->count; row++) {
        uint64_t word = word_of(job->key, row);
        int64_t place = job->ends[(word >> 1) >> shift]++;
        job->words[place] = word;
        job->rows[place] = row;
    }
}

/* Put the rows of a part into `order` by their words.

   Words are spread evenly: in a part their next bits say how many are smaller, but for the few that share these bits. */
static void sort_part(const shuffle_record *job, int64_t first, int64_t last)
{
    uint64_t lower = ((uint64_t)1 << job->near) - 1;
    int64_t shift = 64 - job->far - job->near, *places = job->places;
    memset(places, 0, ((size_t)lower + 2) * sizeof *places);
    for (int64_t k = first; k < last; k++)
        places[((job->words[k] >> shift) & lower) + 1]++;
    places[0] = first;
    for (uint64_t part = 1; part < lower + 2; part++)
        places[part] += places[part - 1];
    for (int64_t k = first; k < last; k++) {
        uint64_t word = job->words[k];
        int64_t place = places[(word >> shift) & lower]++;
        /* Larger words of its bits make room. Those before them are smaller, or not there yet, which is zero. */
        for (; place > first && job->sorted_words[place - 1] > word; place--) {
            job->sorted_words[place] = job->sorted_words[place - 1];
            job->order[place] = job->order[place - 1];
        }
        job->sorted_words[place] = word;
        job->order[place] = job->rows[k];
    }
}

KERNEL(shuffle, shuffle_record)
{
    (void)first, (void)last;
    deal(job);
    int64_t begin = 0;
    for (int64_t part = 0; part < (int64_t)1 << job->far; part++) {
        sort_part(job, begin, job->ends[part]);
        begin = job->ends[part];
    }
    return 0;
}
