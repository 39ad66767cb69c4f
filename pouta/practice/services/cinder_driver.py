"""The disks of the practice cloud: volumes have sizes and states, but keep no data."""

import io
from collections import Counter

from cinder import context, exception, objects
from cinder.volume import driver

DATA = b"Volumes of a practice cloud keep no data.\n"
ROOM_GB = 10_000_000
#: Metadata of a volume: a host holds on to it for so many deletes, as one may with Ceph.
WATCHED = "practice_watched"


class PracticeDriver(driver.VolumeDriver):
    """Every operation succeeds at once, but for what Ceph refuses to delete."""

    VERSION = "1"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._deletes = Counter()

    def check_for_setup_error(self):
        pass

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": "disk",
            "vendor_name": "pouta",
            "driver_version": self.VERSION,
            "storage_protocol": "iSCSI",
            "pools": [
                {
                    "pool_name": "disk",
                    "total_capacity_gb": ROOM_GB,
                    "free_capacity_gb": ROOM_GB,
                    "allocated_capacity_gb": 0,
                    "provisioned_capacity_gb": 0,
                    "max_over_subscription_ratio": 1000.0,
                    "thin_provisioning_support": True,
                    "thick_provisioning_support": False,
                    "reserved_percentage": 0,
                    "multiattach": True,
                    "online_extend_support": True,
                    "QoS_support": False,
                }
            ],
        }

    def create_volume(self, volume):
        pass

    def delete_volume(self, volume):
        self._deletes[volume.id] += 1
        if self._deletes[volume.id] <= int(volume.metadata.get(WATCHED, 0)):
            raise exception.VolumeIsBusy(volume_name=volume.name)

    def create_snapshot(self, snapshot):
        pass

    def delete_snapshot(self, snapshot):
        made_of_it = {"snapshot_id": snapshot.id}
        if objects.VolumeList.get_all(context.get_admin_context(), filters=made_of_it):
            raise exception.SnapshotIsBusy(snapshot_name=snapshot.name)

    def create_volume_from_snapshot(self, volume, snapshot):
        pass

    def create_cloned_volume(self, volume, src_vref):
        pass

    def revert_to_snapshot(self, context, volume, snapshot):
        pass

    def extend_volume(self, volume, new_size):
        pass

    def retype(self, context, volume, new_type, diff, host):
        return True

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        return {}, True

    def copy_image_to_volume(self, context, volume, image_service, image_id, **_):
        pass

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        image_service.update(context, image_meta["id"], {}, io.BytesIO(DATA))

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector):
        return {"driver_volume_type": "fake", "data": {"volume_id": volume.id}}

    def terminate_connection(self, volume, connector, **_):
        pass
