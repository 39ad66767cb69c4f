"""Routers and floating IPs of the practice cloud: there as soon as they are written down."""

from neutron.db import extraroute_db, l3_fip_port_details, l3_gwmode_db
from neutron.db.models import l3 as l3_models
from neutron.quota import resource_registry
from neutron_lib import constants
from neutron_lib.api.definitions import (
    extraroute,
    fip_port_details,
    l3,
    l3_ext_gw_mode,
)
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.services import base


class PracticeRouters(
    base.ServicePluginBase,
    extraroute_db.ExtraRoute_dbonly_mixin,
    l3_gwmode_db.L3_NAT_dbonly_mixin,
    l3_fip_port_details.Fip_port_details_db_mixin,
):
    """An L3 plugin without agents: a floating IP is ACTIVE while it belongs to a port."""

    supported_extension_aliases = (
        l3.ALIAS,
        l3_ext_gw_mode.ALIAS,
        extraroute.ALIAS,
        fip_port_details.ALIAS,
    )

    @resource_registry.tracked_resources(router=l3_models.Router, floatingip=l3_models.FloatingIP)
    def __init__(self):
        super().__init__()

    @classmethod
    def get_plugin_type(cls):
        return plugin_constants.L3

    def get_plugin_description(self):
        return "Routers that route nothing."

    def _get_device_owner(self, context, router=None):
        """As the routers of most production clouds: highly available."""
        return constants.DEVICE_OWNER_HA_REPLICATED_INT

    def create_floatingip(self, context, floatingip):
        made = super().create_floatingip(
            context, floatingip, initial_status=constants.FLOATINGIP_STATUS_DOWN
        )
        return self._settle(context, made)

    def update_floatingip(self, context, id, floatingip):
        return self._settle(context, super().update_floatingip(context, id, floatingip))

    def disassociate_floatingips(self, context, port_id):
        """Called when a port goes away."""
        freed = self.get_floatingips(context.elevated(), filters={"port_id": [port_id]})
        router_ids = super().disassociate_floatingips(context, port_id)
        for address in freed:
            self.update_floatingip_status(context, address["id"], constants.FLOATINGIP_STATUS_DOWN)
        return router_ids

    def _settle(self, context, address):
        """Give a floating IP the status that an agent would report."""
        status = (
            constants.FLOATINGIP_STATUS_ACTIVE
            if address["port_id"]
            else constants.FLOATINGIP_STATUS_DOWN
        )
        if address["status"] != status:
            self.update_floatingip_status(context, address["id"], status)
            address["status"] = status
        return address
