"""Waits until every API answers, and the first time furnishes the cloud."""

import http.client

from ..folder import APIS, HOST

SECONDS = 180


def wait(folder, first_time, report):
    """Return when all is ready. The sockets are bound already, so a request just waits."""
    if first_time:
        from . import seeding

        report.say(phase="making databases, flavors, images and networks")
        seeding.seed(folder)
    if first_time or folder.settings.get("quotas_set") != folder.settings["quotas"]:
        from . import seeding

        seeding.set_volume_quotas(folder)
        folder.remember(quotas_set=folder.settings["quotas"])
    for done, api in enumerate(APIS):
        report.say(phase=f"waiting for {api}", done=done, total=len(APIS))
        connection = http.client.HTTPConnection(
            HOST, folder.settings["ports"][api], timeout=SECONDS
        )
        connection.request("GET", "/")
        status = connection.getresponse().status
        connection.close()
        if status >= 500:
            raise RuntimeError(f"{api} answers {status}")
