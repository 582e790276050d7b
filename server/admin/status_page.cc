#include "server/admin/status_page.h"

namespace sluice::admin {

const char kStatusPage[] =
#include "server/admin/status_page.inc"
    ;

}  // namespace sluice::admin
