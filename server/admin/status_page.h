#ifndef SLUICE_SERVER_ADMIN_STATUS_PAGE_H_
#define SLUICE_SERVER_ADMIN_STATUS_PAGE_H_

namespace sluice::admin {

// status_page.html, which asks for nothing else but /events, /statusz.json and a cancel.
extern const char kStatusPage[];

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_STATUS_PAGE_H_
