// Kernel texts as loaded modules.
#pragma once
#include <memory>
#include <string>

#include "machine.h"

namespace sf {

struct Module {
    void* library = nullptr;
    std::string text;

    // The kernel of that name, or null.
    const Entry* entry(const std::string& name) const;

    // The message with the source behind every line number that it names.
    std::string quoting(const std::string& message) const;
};

// Compiles a text, or finds it compiled already; null and the compiler's words if it is no kernel.
std::unique_ptr<Module> load_module(const std::string& text, std::string& errors);

}  // namespace sf
