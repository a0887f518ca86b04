/* Products of matrices in tiles: a few rows by a few vectors of the result stay in registers while the depth is walked
   through. The sum of every element is taken in the order of the depth, so it depends neither on the tile nor on the
   other rows. */

#include "products.h"

/* The largest tile has as many sums as fit into the registers. */
#define HIGHEST (REGISTERS == 32 ? 6 : 3)
#define WIDEST 4

/* Nothing is read from an address before a vector is there: else all that a step needs is read at first, for which there
   are not enough registers. */
#if defined(__x86_64__)
#define IN_ORDER(vector, address) __asm__ volatile("" : "+v"(vector), "+r"(address))
#elif defined(__aarch64__)
#define IN_ORDER(vector, address) __asm__ volatile("" : "+w"(vector), "+r"(address))
#else
#define IN_ORDER(vector, address)
#endif

/* A tile at a row and a column; of the last of its vectors only some values may belong to it. */
INLINE void tile(const product *p, int64_t row, int64_t column, int height, int width, bool partly, bool gathered)
{
    const int64_t depth = p->depth, rest = p->columns - column - (width - 1) * LANES;
    const float *left = p->left + (gathered ? 0 : row * p->left_row);
    const float *right = p->right + column / LANES * p->right_vector;
    const int64_t *offsets = p->offsets + (gathered ? row : 0), right_vector = p->right_vector;
    vec total[HIGHEST][WIDEST];
    int64_t begins[HIGHEST];
    UNROLLED for (int i = 0; i < height; i++) {
        begins[i] = gathered ? offsets[i] : i * p->left_row;
        UNROLLED for (int v = 0; v < width; v++) {
            const float *begin = p->begin + (row + i) * p->begin_row + column + v * LANES;
            total[i][v] = !p->begin ? spread(0) : partly && v == width - 1 ? load_first(begin, rest) : load(begin);
        }
    }
    for (int64_t k = 0; k < depth; k++) {
        const float *values = left + (gathered ? p->steps[k] : k * p->left_step);
        vec factors[WIDEST];
        UNROLLED for (int v = 0; v < width; v++) {
            const float *place = right + v * right_vector;
            factors[v] = partly && v == width - 1 ? load_first(place, rest) : load(place);
        }
        UNROLLED for (int i = 0; i < height; i++) {
            const float *place = values + begins[i];
            if (gathered && i)
                UNROLLED for (int v = 0; v < width; v++)
                    IN_ORDER(total[i - 1][v], place);
            vec value = spread(*place);
            UNROLLED for (int v = 0; v < width; v++)
                total[i][v] += value * factors[v];
        }
        right += p->right_row;
    }
    UNROLLED for (int i = 0; i < height; i++) {
        float *sums = p->sums + (row + i) * p->sums_row + column;
        UNROLLED for (int v = 0; v < width; v++) {
            if (partly && v == width - 1)
                store_first(sums + v * LANES, total[i][v], rest);
            else
                store(sums + v * LANES, total[i][v]);
        }
    }
}

INLINE void columns_of_tiles(const product *p, int64_t column, int width, bool partly, bool gathered)
{
    int64_t row = 0;
    for (; row + HIGHEST <= p->rows; row += HIGHEST)
        tile(p, row, column, HIGHEST, width, partly, gathered);
    for (; HIGHEST > 4 && row + 4 <= p->rows; row += 4)
        tile(p, row, column, least(HIGHEST, 4), width, partly, gathered);
    for (; row + 2 <= p->rows; row += 2)
        tile(p, row, column, 2, width, partly, gathered);
    for (; row < p->rows; row++)
        tile(p, row, column, 1, width, partly, gathered);
}

INLINE void in_tiles(const product *given, bool gathered)
{
    const product copy = *given, *p = &copy; /* which no store can change */
    int64_t column = 0;
    for (; p->columns - column >= 4 * LANES; column += 4 * LANES)
        columns_of_tiles(p, column, 4, false, gathered);
    if (p->columns - column >= 2 * LANES) {
        columns_of_tiles(p, column, 2, false, gathered);
        column += 2 * LANES;
    }
    if (p->columns - column >= LANES) {
        columns_of_tiles(p, column, 1, false, gathered);
        column += LANES;
    }
    if (p->columns > column)
        columns_of_tiles(p, column, 1, true, gathered);
}

void multiply(const product *given) { in_tiles(given, false); }
void multiply_gathered(const product *given) { in_tiles(given, true); }

void make_product(
    float *sums, int64_t sums_row, const float *begin, const float *left, int64_t left_row, int64_t left_step,
    const float *right, int64_t right_row, int64_t rows, int64_t depth, int64_t columns)
{
    multiply(&(product){
        .rows = rows, .depth = depth, .columns = columns, .sums = sums, .sums_row = sums_row, .begin = begin,
        .left = left, .left_row = left_row, .left_step = left_step, .right = right, .right_row = right_row,
        .right_vector = LANES});
}

/* Lanes of two rows, exchanged in blocks beside the diagonal: of rows and lanes whose numbers differ in the bit of the
   distance d. */
#define UPPER(lane, d) ((lane) & (d) ? LANES + (lane) - (d) : (lane))
#define LOWER(lane, d) ((lane) & (d) ? LANES + (lane) : (lane) + (d))
#define FOUR(which, first, d) which(first, d), which(first + 1, d), which(first + 2, d), which(first + 3, d)
#if LANES == 16
#define ALL(which, d) FOUR(which, 0, d), FOUR(which, 4, d), FOUR(which, 8, d), FOUR(which, 12, d)
#elif LANES == 8
#define ALL(which, d) FOUR(which, 0, d), FOUR(which, 4, d)
#else
#define ALL(which, d) FOUR(which, 0, d)
#endif
#define EXCHANGE(rows, d)                                                                                              \
    UNROLLED for (int row = 0; row < LANES; row++)                                                                     \
        if (!(row & (d))) {                                                                                            \
            vec a = (rows)[row], b = (rows)[row + (d)];                                                                \
            (rows)[row] = __builtin_shufflevector(a, b, ALL(UPPER, d));                                                \
            (rows)[row + (d)] = __builtin_shufflevector(a, b, ALL(LOWER, d));                                          \
        }

/* The LANES rows and columns that begin at a place. */
static void transpose_tile(const float *matrix, int64_t columns, float *turned, int64_t rows)
{
    vec held[LANES];
    UNROLLED for (int row = 0; row < LANES; row++)
        held[row] = load(matrix + row * columns);
    EXCHANGE(held, 1)
    EXCHANGE(held, 2)
#if LANES >= 8
    EXCHANGE(held, 4)
#endif
#if LANES >= 16
    EXCHANGE(held, 8)
#endif
    UNROLLED for (int row = 0; row < LANES; row++)
        store(turned + row * rows, held[row]);
}

void transpose(const float *matrix, int64_t rows, int64_t columns, float *turned)
{
    if (least(rows, columns) < LANES) {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                turned[j * rows + i] = matrix[i * columns + j];
        return;
    }
    for (int64_t i = 0; i < rows; i += LANES)
        for (int64_t j = 0; j < columns; j += LANES) {
            /* The last tiles begin early enough to be whole. */
            int64_t row = least(i, rows - LANES), column = least(j, columns - LANES);
            transpose_tile(matrix + row * columns + column, columns, turned + column * rows + row, rows);
        }
}
