#ifndef SLUICE_SERVER_BASE_ARGUMENTS_H_
#define SLUICE_SERVER_BASE_ARGUMENTS_H_

namespace sluice {

// Whether an argument of a command may hold a password: it is a URL, or was meant to be one.
bool HasUrl(const char* argument);

// Overwrites the arguments with URLs: what is on the command line is seen by everybody who runs ps.
void HideUrls(int argc, char** argv);

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_ARGUMENTS_H_
