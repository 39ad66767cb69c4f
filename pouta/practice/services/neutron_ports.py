"""Networks of the practice cloud: every port is plugged in as soon as a host asks for it."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class EveryPortBinds(api.MechanismDriver):
    """A mechanism driver without a network behind it."""

    def initialize(self):
        pass

    def bind_port(self, context):
        segment = context.segments_to_bind[0]
        details = {portbindings.CAP_PORT_FILTER: True}
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_OVS,
            details,
            status=constants.PORT_STATUS_ACTIVE,
        )
