// Bad accesses of a simulated thread end its launch and not this process.
#pragma once
#include <signal.h>

namespace sf {

// Catches the signals of bad accesses for as long as it lives.
class FaultHandler {
  public:
    FaultHandler();
    ~FaultHandler();
    FaultHandler(const FaultHandler&) = delete;

  private:
    struct sigaction before_[3];
    stack_t stack_before_;
};

}  // namespace sf
