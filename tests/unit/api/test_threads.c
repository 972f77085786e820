/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/sys/frontend.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api_model.h"

/* Several threads on one runtime and one model, each with its own sessions;
 * meant to be run under a race detector, too. */

#define WORKERS 4
#define DIM 40 /* of the tiny encoders' embeddings */
#define INPUTS 3
#define TOKENS 16
#define SENSOR_STATE 42

/* A frontend that takes its time to begin and says how often it did. */
struct sensor {
    int ready;
};
static atomic_int sensor_begun, sensor_ended;

static panda_status begin_sensor(void *state, const panda_frontend_host *host)
{
    (void)host;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ((struct sensor *)state)->ready = SENSOR_STATE;
    atomic_fetch_add(&sensor_begun, 1);
    return PANDA_OK;
}

static void end_sensor(void *state, const panda_frontend_host *host)
{
    (void)host;
    ((struct sensor *)state)->ready = 0;
    atomic_fetch_add(&sensor_ended, 1);
}

static panda_status describe_sensor(const void *state,
                                    const panda_frontend_host *host,
                                    const panda_input *input,
                                    panda_frontend_tensor *tensor)
{
    (void)input;
    (void)tensor;
    if (((const struct sensor *)state)->ready != SENSOR_STATE)
        return (host->fail)(host, PANDA_E_STATE, "used before it began");
    return PANDA_OK;
}

/* Every value is a pixel's. */
static panda_status read_sensor(const void *state,
                                const panda_frontend_host *host,
                                const panda_input *input,
                                const panda_frontend_tensor *tensor, void *out)
{
    (void)state;
    (void)host;
    const uint8_t *pixels = input->data;
    size_t count = (size_t)tensor->shape[1] * tensor->shape[2];
    for (size_t i = 0; i < count; i++)
        ((float *)out)[i] = (float)pixels[i % input->size] / 255;
    return PANDA_OK;
}

static const panda_frontend_ops sensor_ops = {
    .struct_size = sizeof sensor_ops,
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "slow-sensor",
    .modality = PANDA_MODALITY_THERMAL,
    .state_size = sizeof(struct sensor),
    .init = begin_sensor,
    .fini = end_sensor,
    .describe = describe_sensor,
    .preprocess = read_sensor,
};

/* What one thread does and gets. Failed checks would end the wrong thread, so
 * that each keeps its status and message for the main one. */
struct worker {
    panda_model *model;
    pthread_barrier_t *start;
    panda_input inputs[INPUTS];
    const char *question;
    panda_status status;
    char message[256];
    float embeddings[INPUTS][DIM];
    panda_token tokens[2][TOKENS];
    uint32_t token_counts[2];
};

static panda_status encode_all(struct worker *w)
{
    panda_encoder *encoder;
    panda_status status = panda_encoder_create(&encoder, w->model, NULL);
    for (int i = 0; i < INPUTS && status == PANDA_OK; i++) {
        panda_embedding *embedding;
        status =
            panda_encoder_encode(&embedding, encoder, &w->inputs[i], NULL);
        if (status == PANDA_OK)
            status = panda_embedding_read_f32(embedding, w->embeddings[i], DIM);
        panda_embedding_unref(embedding);
    }
    panda_encoder_destroy(encoder);
    return status;
}

static panda_status ask(struct worker *w, panda_chat *chat, int turn)
{
    panda_generate_options options = {.struct_size = sizeof options,
                                      .max_tokens = TOKENS,
                                      .sampling = PANDA_SAMPLING_GREEDY};
    panda_chat_turn numbers = {.struct_size = sizeof numbers};
    panda_status status =
        panda_chat_ask(chat, w->question, &options, NULL, NULL);
    if (status == PANDA_OK)
        status = panda_chat_get_turn(chat, &numbers);
    if (status == PANDA_OK) {
        w->token_counts[turn] = numbers.token_count;
        memcpy(w->tokens[turn], numbers.tokens,
               numbers.token_count * sizeof *numbers.tokens);
    }
    return status;
}

static panda_status converse(struct worker *w)
{
    panda_chat *chat;
    panda_status status = panda_chat_create(&chat, w->model, NULL);
    if (status == PANDA_OK)
        status = panda_chat_attach(chat, &w->inputs[0]);
    for (int turn = 0; turn < 2 && status == PANDA_OK; turn++)
        status = ask(w, chat, turn);
    panda_chat_destroy(chat);
    return status;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    if (w->start)
        pthread_barrier_wait(w->start);
    w->status = encode_all(w);
    if (w->status == PANDA_OK)
        w->status = converse(w);
    snprintf(w->message, sizeof w->message, "%s", panda_error_get_message());
    return NULL;
}

static panda_model *open_model(uint32_t threads)
{
    panda_model *model;
    struct api_files files = api_files_write(32);
    panda_model_options options = api_options(&files);
    panda_runtime *runtime = api_runtime(NULL, threads);
    ck_assert_ok(panda_runtime_register_frontend(runtime, &sensor_ops));
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    panda_runtime_destroy(runtime);
    return model;
}

static struct worker make_worker(panda_model *model, uint32_t number)
{
    static uint8_t pixels[WORKERS][40 * 40 * 3];
    static float movement[WORKERS][2000 * 6];
    static const char *const questions[WORKERS] = {"one", "two and three",
                                                   "four", "what is this?"};
    struct worker w = {.model = model, .question = questions[number]};
    panda_input picture = api_picture(number + 1);
    memcpy(pixels[number], picture.data, sizeof pixels[number]);
    for (size_t i = 0; i < 2000 * 6; i++)
        movement[number][i] = (float)(i * (number + 3) % 100) / 50 - 1;
    ck_assert_ok(panda_input_init_image(&w.inputs[0], sizeof *w.inputs,
                                        pixels[number], 40, 40, 3, 0));
    ck_assert_ok(panda_input_init_imu(&w.inputs[1], sizeof *w.inputs,
                                      movement[number], 2000, 400));
    ck_assert_ok(panda_input_init_thermal(&w.inputs[2], sizeof *w.inputs,
                                          pixels[number], 40, 40, 3, 0));
    return w;
}

static void check_equal(const struct worker *alone, const struct worker *w)
{
    ck_assert_msg(w->status == PANDA_OK, "%s", w->message);
    ck_assert_mem_eq(alone->embeddings, w->embeddings,
                     sizeof alone->embeddings);
    for (int turn = 0; turn < 2; turn++) {
        ck_assert_uint_eq(alone->token_counts[turn], w->token_counts[turn]);
        ck_assert_mem_eq(alone->tokens[turn], w->tokens[turn],
                         alone->token_counts[turn] * sizeof **alone->tokens);
    }
}

/* The threads begin at once, so that first uses of the frontends coincide, and
 * the last of them to end lets the model and its thread pool go. */
START_TEST(threads_share_a_model_and_get_what_one_gets)
{
    static struct worker alone[WORKERS], together[WORKERS];
    pthread_t threads[WORKERS];
    pthread_barrier_t start;
    panda_model *model = open_model(1);
    for (uint32_t i = 0; i < WORKERS; i++) {
        alone[i] = make_worker(model, i);
        work(&alone[i]);
        ck_assert_msg(alone[i].status == PANDA_OK, "%s", alone[i].message);
    }
    panda_model_close(model);
    ck_assert_int_eq(sensor_begun, 1);
    ck_assert_int_eq(sensor_ended, 1);

    model = open_model(3);
    pthread_barrier_init(&start, NULL, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++) {
        together[i] = make_worker(model, i);
        together[i].start = &start;
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, work, &together[i]), 0);
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    for (uint32_t i = 0; i < WORKERS; i++)
        check_equal(&alone[i], &together[i]);
    ck_assert_int_eq(sensor_begun, 2);
    panda_model_close(model);
    ck_assert_int_eq(sensor_ended, 2);
}
END_TEST

struct last_user {
    panda_encoder *encoder;
    panda_input picture;
    panda_status status;
};

static void *encode_and_let_go(void *argument)
{
    struct last_user *u = argument;
    panda_embedding *embedding;
    u->status =
        panda_encoder_encode(&embedding, u->encoder, &u->picture, NULL);
    panda_embedding_unref(embedding);
    panda_encoder_destroy(u->encoder);
    return NULL;
}

/* The host lets go while threads still compute; the last one cleans up. */
START_TEST(the_last_thread_frees_the_model)
{
    struct last_user users[2];
    pthread_t threads[2];
    panda_model *model = open_model(2);
    panda_input picture = api_picture(7);
    for (int i = 0; i < 2; i++) {
        users[i].picture = picture;
        ck_assert_ok(panda_encoder_create(&users[i].encoder, model, NULL));
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, encode_and_let_go, &users[i]), 0);
    }
    panda_model_close(model);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(users[i].status, PANDA_OK);
    }
}
END_TEST

/* Cancels once the other thread says that it is in the middle. */
struct canceller {
    panda_encoder *encoder;
    panda_chat *chat;
    sem_t running, cancelled;
};

static void *cancel_when_running(void *argument)
{
    struct canceller *c = argument;
    sem_wait(&c->running);
    panda_encoder_cancel(c->encoder);
    panda_chat_cancel(c->chat);
    sem_post(&c->cancelled);
    return NULL;
}

static void wait_for_cancel(struct canceller *c)
{
    sem_post(&c->running);
    sem_wait(&c->cancelled);
}

static int32_t meet_at_a_token(panda_token token, void *user)
{
    (void)token;
    wait_for_cancel(user);
    return 0;
}

static void meet_at_a_stage(const char *stage, const float *values,
                            const int64_t *shape, uint32_t rank, void *user)
{
    (void)values;
    (void)shape;
    (void)rank;
    if (strcmp(stage, "block.0") == 0)
        wait_for_cancel(user);
}

static pthread_t start_canceller(struct canceller *c)
{
    pthread_t thread;
    sem_init(&c->running, 0, 0);
    sem_init(&c->cancelled, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_running, c), 0);
    return thread;
}

START_TEST(another_thread_cancels_an_answer)
{
    panda_model *model = open_model(2);
    struct canceller c = {0};
    panda_generate_options options = {.struct_size = sizeof options,
                                      .max_tokens = 200,
                                      .on_token = meet_at_a_token,
                                      .token_user = &c};
    panda_chat_turn turn = {.struct_size = sizeof turn};
    ck_assert_ok(panda_chat_create(&c.chat, model, NULL));
    pthread_t thread = start_canceller(&c);
    ck_assert_fails(panda_chat_ask(c.chat, "hello", &options, NULL, NULL),
                    PANDA_E_CANCELLED, "cancelled");
    pthread_join(thread, NULL);
    ck_assert_ok(panda_chat_get_turn(c.chat, &turn));
    ck_assert_uint_eq(turn.token_count, 1);
    options.max_tokens = 3;
    options.on_token = NULL;
    ck_assert_ok(panda_chat_ask(c.chat, "go on", &options, NULL, NULL));
    panda_chat_destroy(c.chat);
    panda_model_close(model);
}
END_TEST

START_TEST(another_thread_cancels_an_encoding)
{
    panda_model *model = open_model(2);
    struct canceller c = {0};
    panda_input picture = api_picture(3);
    panda_embedding *embedding;
    panda_encode_options options = {.struct_size = sizeof options,
                                    .trace = meet_at_a_stage,
                                    .trace_user = &c};
    ck_assert_ok(panda_encoder_create(&c.encoder, model, NULL));
    pthread_t thread = start_canceller(&c);
    ck_assert_fails(
        panda_encoder_encode(&embedding, c.encoder, &picture, &options),
        PANDA_E_CANCELLED, "cancelled");
    pthread_join(thread, NULL);
    ck_assert_ok(panda_encoder_encode(&embedding, c.encoder, &picture, NULL));
    panda_embedding_unref(embedding);
    panda_encoder_destroy(c.encoder);
    panda_model_close(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tc = tcase_create("threads");
    tcase_add_test(tc, threads_share_a_model_and_get_what_one_gets);
    tcase_add_test(tc, the_last_thread_frees_the_model);
    tcase_add_test(tc, another_thread_cancels_an_answer);
    tcase_add_test(tc, another_thread_cancels_an_encoding);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
