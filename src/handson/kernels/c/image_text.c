/* Reading images written as text: see image_text.py. */

#include "vectors.h"

/* Bytes that are searched at a time: so many are compared without a branch. */
#define BLOCK 64

/* The first position from `start` on with one of two bytes, or `end`. */
static int64_t position_of(uint8_t one, uint8_t other, const uint8_t *buffer, int64_t start, int64_t end)
{
    for (; start + BLOCK <= end; start += BLOCK) {
        uint8_t found = 0;
        for (int k = 0; k < BLOCK; k++)
            found |= (uint8_t)((buffer[start + k] == one) | (buffer[start + k] == other));
        if (found)
            break;
    }
    while (start < end && buffer[start] != one && buffer[start] != other)
        start++;
    return start;
}

static bool is_space(uint8_t byte) { return byte == ' ' || byte == '\t'; }

/* Whether a line holds nothing but white space. */
static bool is_blank(const uint8_t *buffer, int64_t start, int64_t end)
{
    for (int64_t position = start; position < end; position++)
        if (!is_space(buffer[position]) && buffer[position] != '\r')
            return false;
    return true;
}

/* Whether the text is quoted, and where the last quoted part closed. */
typedef struct {
    bool quoted;
    int64_t closed;
} quotes;

/* After a quote. As in pandas, it opens a part where a field starts, or right after a quote that closes. */
static quotes after_quote(const uint8_t *buffer, int64_t start, int64_t position, uint8_t delimiter, quotes before)
{
    if (before.quoted)
        return (quotes){false, position};
    bool opens = position == start || buffer[position - 1] == delimiter || before.closed == position - 1;
    return (quotes){opens, before.closed};
}

typedef struct {
    const uint8_t *buffer;
    int64_t size, delimiter, final; /* whether the end of the bytes is that of a line */
    int64_t *lines;                 /* pairs: the first byte of each line, and the first after it; without blank ones */
    int64_t room, count;            /* lines */
    int64_t start, position, quoted, closed; /* of the line at which it goes on; -2: no part has closed */
} lines_record;

/* Find lines until there are no more, or no room for one; newlines inside quotes do not end a line. */
KERNEL(find_lines, lines_record)
{
    (void)first, (void)last;
    lines_record *state = (lines_record *)job;
    const uint8_t *buffer = job->buffer;
    quotes now = {job->quoted, job->closed};
    int64_t start = job->start, position = job->position, size = job->size;
    while (state->count < job->room && position <= size) {
        position = position_of('\n', '"', buffer, position, size);
        if (position == size && !job->final)
            break;
        if (position < size && buffer[position] == '"')
            now = after_quote(buffer, start, position, (uint8_t)job->delimiter, now);
        else if (position == size || !now.quoted) {
            if (!is_blank(buffer, start, position)) {
                state->lines[2 * state->count] = start;
                state->lines[2 * state->count++ + 1] = position;
            }
            start = least(position + 1, size);
        }
        position++;
    }
    state->start = start;
    state->position = position;
    state->quoted = now.quoted;
    state->closed = now.closed;
    return 0;
}

/* The first byte of a field of a line, and the first after it, without quotes; whether there is one. */
static bool find_field(
    const uint8_t *buffer, int64_t start, int64_t end, int64_t column, uint8_t delimiter, int64_t *first, int64_t *last)
{
    quotes now = {false, -2};
    int64_t field = 0, begin = start;
    for (int64_t position = start; position <= end; position++) {
        position = position_of(delimiter, '"', buffer, position, end);
        if (position < end && buffer[position] == '"')
            now = after_quote(buffer, start, position, delimiter, now);
        else if (position == end || !now.quoted) {
            if (field++ < column) {
                begin = position + 1;
                continue;
            }
            bool returns = position > begin && buffer[position - 1] == '\r';
            int64_t stop = position - returns;
            bool around = stop > begin + 1 && buffer[begin] == '"' && buffer[stop - 1] == '"';
            *first = begin + around;
            *last = stop - around;
            return true;
        }
    }
    return false;
}

/* Turn numbers of one to three digits, each with one space behind it, into pixels, as far as there are such; gives the
   first byte that is left. How many digits a number has cannot be foreseen, so nothing here branches on it. */
static int64_t parse_simple(
    const uint8_t *buffer, int64_t first, int64_t last, uint8_t *pixels, int64_t room, int64_t *count)
{
    int64_t position = first, done = 0;
    while (position + 4 <= last && done < room) {
        int32_t hundreds = buffer[position] - '0', tens = buffer[position + 1] - '0', ones = buffer[position + 2] - '0';
        int32_t two = (tens >= 0) & (tens <= 9), three = two & (ones >= 0) & (ones <= 9);
        int32_t value = hundreds + two * (9 * hundreds + tens);
        value += three * (9 * value + ones);
        int64_t behind = position + 1 + two + three;
        if (hundreds < 0 || hundreds > 9 || value > 255 || buffer[behind] != ' ')
            break;
        pixels[done++] = (uint8_t)value;
        position = behind + 1;
    }
    *count = done;
    return position;
}

/* Turn one field into pixels; whether it holds as many whole numbers from 0 to 255, and nothing else. */
static bool parse_field(const uint8_t *buffer, int64_t first, int64_t last, uint8_t *pixels, int64_t room)
{
    int64_t count, start = parse_simple(buffer, first, last, pixels, room, &count);
    int32_t value = 0;
    bool inside = false;
    for (int64_t position = start; position <= last; position++) {
        uint8_t byte = position == last ? ' ' : buffer[position];
        if ('0' <= byte && byte <= '9') {
            value = value * 10 + (byte - '0');
            inside = true;
            if (value > 255)
                return false;
        } else if (!is_space(byte))
            return false;
        else if (inside) {
            if (count == room)
                return false;
            pixels[count++] = (uint8_t)value;
            value = 0;
            inside = false;
        }
    }
    return count == room;
}

typedef struct {
    const uint8_t *buffer;
    const int64_t *lines;
    int64_t column, delimiter, room; /* `room`: pixels of an image */
    uint8_t *pixels;
    int64_t *fields; /* filled with the bytes that each image takes */
    uint8_t *good;   /* whether a row has an image of so many whole numbers from 0 to 255 */
} image_rows;

/* Turn the image column of lines into pixels. */
KERNEL(parse_rows, image_rows)
{
    for (int64_t row = first; row < last; row++) {
        int64_t *field = job->fields + 2 * row;
        field[0] = field[1] = -1;
        job->good[row] = find_field(
                             job->buffer, job->lines[2 * row], job->lines[2 * row + 1], job->column,
                             (uint8_t)job->delimiter, &field[0], &field[1]) &&
                         parse_field(job->buffer, field[0], field[1], job->pixels + row * job->room, job->room);
    }
    return 0;
}
