/* Writes a recording for `parity` in plain C, with no library: a safetensors file is the length of
 * its JSON header in 8 bytes, the header, and the values. parity/docs/formats/recording.md says what
 * every name means. Little-endian machines only.
 *
 *     cc -o write_recording write_recording.c
 *     ./write_recording OUT
 *     parity check OUT --model-dir MODEL      (writes the hashes of the model's files)
 *     parity diff GOLDEN OUT
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static FILE *create(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    return file;
}

static void folder(const char *path) {
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
}

/* The tokens of one segment, as int32, and the mark that ended it. */
static void write_tokens(const char *dir, const int32_t *tokens, int count, int32_t stop) {
    char header[512];
    int bytes = 4 * count;
    int length = snprintf(header, sizeof header,
        "{\"llm.tokens[0]\":{\"dtype\":\"I32\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
        "\"llm.stop[0]\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[%d,%d]}}",
        count, bytes, bytes, bytes + 4);
    while (length % 8) header[length++] = ' '; /* the values are aligned */
    uint64_t size = (uint64_t)length;
    FILE *file = create(dir, "tensors.safetensors");
    fwrite(&size, 8, 1, file);
    fwrite(header, 1, (size_t)length, file);
    fwrite(tokens, 4, (size_t)count, file);
    fwrite(&stop, 4, 1, file);
    fclose(file);
}

/* Mono, 24 kHz, 16 bit. */
static void write_wav(const char *dir, const int16_t *samples, uint32_t count) {
    uint32_t rate = 24000, data = 2 * count, riff = 36 + data, form = 16, second = 2 * rate;
    uint16_t pcm = 1, mono = 1, frame = 2, bits = 16;
    FILE *file = create(dir, "audio.wav");
    fwrite("RIFF", 1, 4, file), fwrite(&riff, 4, 1, file), fwrite("WAVEfmt ", 1, 8, file);
    fwrite(&form, 4, 1, file), fwrite(&pcm, 2, 1, file), fwrite(&mono, 2, 1, file);
    fwrite(&rate, 4, 1, file), fwrite(&second, 4, 1, file), fwrite(&frame, 2, 1, file);
    fwrite(&bits, 2, 1, file), fwrite("data", 1, 4, file), fwrite(&data, 4, 1, file);
    fwrite(samples, 2, count, file);
    fclose(file);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s OUT\n", argv[0]);
        return 1;
    }
    char dir[4096];
    folder(argv[1]);
    snprintf(dir, sizeof dir, "%s/english-short", argv[1]);
    folder(dir);
    /* Your engine comes here. What it does not have is left out. */
    int32_t tokens[] = {4613, 938, 3532, 1434};
    static int16_t samples[24000];
    write_tokens(dir, tokens, 4, 6561);
    write_wav(dir, samples, 24000);
    FILE *manifest = create(argv[1], "manifest.json");
    fputs("{\"format\": 1, \"engine\": {\"name\": \"example-c-port\", \"version\": \"0.1\"},\n"
          " \"device\": \"cpu\", \"precision\": \"f32\", \"lm_weights\": \"llm.pt\"}\n", manifest);
    fclose(manifest);
    return 0;
}
