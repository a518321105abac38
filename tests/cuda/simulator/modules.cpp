// Compiles kernel texts for the processor and keeps them on disk, found again by their content.
#include "modules.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <sstream>
#include <vector>

#if !defined(SF_COMMAND) || !defined(SF_FOLDER)
#error "build.py says how kernels are compiled and where they are kept"
#endif

namespace sf {
namespace {

const std::string COMMAND = SF_COMMAND, FOLDER = SF_FOLDER;

std::string own_path() {
    Dl_info info;
    dladdr((const void*)own_path, &info);
    return info.dli_fname;
}

// FNV-1a: a stored text is compared as a whole, so this need only spread.
uint64_t spread(const std::string& text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3u;
    return hash;
}

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

std::string path_of(const std::string& text) {
    char name[32];
    snprintf(name, sizeof name, "/%016llx", (unsigned long long)spread(text));
    return FOLDER + name;
}

bool compile(const std::string& source, const std::string& library, std::string& errors) {
    std::string files = " '" + source + "' -o '" + library + "' '" + own_path() + "'";
    std::string command = COMMAND + files + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) return false;
    char line[1024];
    while (fgets(line, sizeof line, pipe)) errors += line;
    return pclose(pipe) == 0;
}

std::string stripped(const std::string& line) {
    size_t start = line.find_first_not_of(' ');
    return start == std::string::npos ? "" : line.substr(start);
}

}  // namespace

const Entry* Module::entry(const std::string& name) const {
    return (const Entry*)dlsym(library, ("sf_entry_" + name).c_str());
}

std::string Module::quoting(const std::string& message) const {
    std::vector<std::string> lines{""};
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    std::string quoted;
    size_t from = 0;
    for (size_t at; (at = message.find("line ", from)) != std::string::npos;) {
        size_t digits = at + strlen("line "), end = message.find_first_not_of("0123456789", digits);
        size_t number = (size_t)atoi(message.c_str() + digits);
        end = std::min(end, message.size());
        quoted += message.substr(from, end - from);
        if (number && number < lines.size()) quoted += " `" + stripped(lines[number]) + "`";
        from = end;
    }
    return quoted + message.substr(from);
}

// Written beside its final name and moved there, so that no process loads half a library.
std::unique_ptr<Module> load_module(const std::string& text, std::string& errors) {
    static std::mutex mutex;  // two threads may ask for one text
    std::lock_guard<std::mutex> alone(mutex);
    std::string path = path_of(text), library = path + ".so";
    if (access(library.c_str(), R_OK) || read_file(path + ".cpp") != text) {
        std::string mine = path + "." + std::to_string(getpid());
        std::ofstream(mine + ".cpp") << text;
        bool is_good = compile(mine + ".cpp", mine + ".so", errors);
        if (!is_good) {
            unlink((mine + ".cpp").c_str());
            return nullptr;
        }
        rename((mine + ".cpp").c_str(), (path + ".cpp").c_str());
        rename((mine + ".so").c_str(), library.c_str());
    }
    void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        errors = dlerror();
        return nullptr;
    }
    return std::make_unique<Module>(Module{handle, text});
}

}  // namespace sf
