// streams.cc - two stories at once, a thread each, of one model: streams MODEL [BEGINNING]
// c++ -pthread streams.cc $(pkg-config --cflags --libs bolt) -o streams
#include <bolt.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Close {
    void operator()(bolt_model *m) const { bolt_close(m); }
    void operator()(bolt_context *c) const { bolt_context_free(c); }
};
using Model = std::unique_ptr<bolt_model, Close>;
using Context = std::unique_ptr<bolt_context, Close>;

static Model open(const char *path)
{
    bolt_model *model;
    char message[512];
    if (bolt_open_file(path, nullptr, &model, message, sizeof message))
        throw std::runtime_error(message);
    return Model(model);
}

// A story of stream `stream`, the beginning included.
static std::string tell(const bolt_model *model, const std::string &beginning, uint64_t stream)
{
    bolt_context *raw;
    char message[512];
    if (bolt_context_new(model, nullptr, &raw, message, sizeof message))
        throw std::runtime_error(message);
    Context story(raw);
    bolt_reset(raw, 42, stream);
    std::vector<int32_t> ids(beginning.size() + 1);
    int64_t n = bolt_encode(raw, beginning.data(), beginning.size(), ids.data(), ids.size());
    if (n < 0 || n > static_cast<int64_t>(ids.size()))
        throw std::runtime_error(n < 0 ? bolt_error(raw) : "the beginning has too many tokens");
    std::string text = beginning;
    for (int told = 0; bolt_step(raw, ids.data(), static_cast<size_t>(n)) == 0 && told < 200; told++, n = 1) {
        ids[0] = bolt_sample(raw, nullptr, nullptr);
        if (ids[0] == BOLT_EOS)
            break;
        size_t bytes;
        const char *token = bolt_token_text(model, ids[0], &bytes);
        text.append(token, bytes);
    }
    return text;
}

int main(int argc, char **argv)
try {
    Model model = open(argc > 1 ? argv[1] : "model.bolt");
    const std::string beginning = argc > 2 ? argv[2] : "Once upon a time";
    std::string stories[2];
    std::string errors[2];
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 2; i++)
        threads.emplace_back([&, i] {
            try {
                stories[i] = tell(model.get(), beginning, i);
            } catch (const std::exception &e) {
                errors[i] = e.what();
            }
        });
    for (std::thread &t : threads)
        t.join();
    for (const std::string &error : errors)
        if (!error.empty())
            throw std::runtime_error(error);
    std::printf("%s\n\n%s\n", stories[0].c_str(), stories[1].c_str());
    return 0;
} catch (const std::exception &e) {
    std::fprintf(stderr, "streams: %s\n", e.what());
    return 1;
}
