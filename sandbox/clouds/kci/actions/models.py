"""CreateContainerGroup's request: names and types of ``kingsoftcloud-sdk-python``, client kci."""

import msgspec

from ..wire import Request


class Probe(Request):
    """A liveness or readiness probe; exactly one of the three ways is meant."""

    class HttpGet(Request):
        """GET a path."""

        port: int
        path: str = "/"
        scheme: str = "HTTP"

    class TcpSocket(Request):
        """Open a port."""

        port: int

    class Exec(Request):
        """Run a command in the container."""

        command: list[str] = []

    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: Exec | None = None


class EnvironmentVar(Request):
    """A variable with a value, or with a field of the pod."""

    class ValueFrom(Request):
        """Where a value comes from."""

        class FieldRef(Request):
            """A field of the pod, e.g. status.podIP."""

            field_path: str

        field_ref: FieldRef | None = None

    key: str
    value: str = ""
    value_from: ValueFrom | None = None


class Port(Request):
    """A port that a container listens on."""

    port: int
    protocol: str = "TCP"


class VolumeMount(Request):
    """Where a container sees a volume."""

    name: str
    mount_path: str
    read_only: bool = False


class SecurityContext(Request):
    """Rights of a container."""

    privileged: bool = False


class ContainerModel(Request):
    """A container of a group that stands alone."""

    name: str
    image: str
    command: list[str] = []
    arg: list[str] = []
    cpu: str | None = None
    memory: str | None = None
    gpu: float = 0.0
    working_dir: str = ""
    image_pull_policy: str = "IfNotPresent"
    environment_var: list[EnvironmentVar] = []
    port: list[Port] = []
    volume_mount: list[VolumeMount] = []
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    security_context: SecurityContext | None = None


class Nfs(Request):
    """An NFS export."""

    server: str
    path: str = "/"
    read_only: bool = False


class Ebs(Request):
    """A disk: an existing one by id, or a new one by type and size in GB."""

    fs_type: str = "ext4"
    volume_id: str = ""
    type: str = ""
    size: int | None = None
    snapshot_id: str = ""
    delete_with_instance: bool = False


class HostPath(Request):
    """A path of the machine."""

    path: str


class EmptyDir(Request):
    """Scratch space."""

    medium: str = ""
    size_limit: str = ""


class ConfigFiles(Request):
    """Files given in the request, contents base64."""

    class ConfigFileToPath(Request):
        """One file."""

        path: str
        content: str = ""
        mode: int | None = msgspec.field(default=None, name="mode")

    default_mode: int | None = None
    config_file_to_path: list[ConfigFileToPath] = []


class VolumeModel(Request):
    """A volume of a group that stands alone."""

    name: str
    type: str
    nfs_volume: Nfs | None = msgspec.field(default=None, name="NFSVolume")
    ebs_volume: Ebs | None = msgspec.field(default=None, name="EBSVolume")
    host_path_volume: HostPath | None = None
    empty_dir_volume: EmptyDir | None = None
    config_file_volume: ConfigFiles | None = None


class DataDisk(Request):
    """A disk created with a group of a cluster; ``size`` in GB."""

    volume_name: str
    type: str
    size: int
    delete_with_instance: bool = False
    snapshot_id: str = ""


class ContainerSpec(Request):
    """Requests and limits of one container of a cluster's pod: cores and GiB."""

    request_cpu: str | None = None
    request_mem: str | None = None
    limit_cpu: str | None = None
    limit_mem: str | None = None


class Option(Request):
    """A resolver option."""

    name: str
    value: str = ""


class DnsConfig(Request):
    """Name resolution of a group or of its machine."""

    name_server: list[str] = []
    search: list[str] = []
    option: list[Option] = []


class HostAliase(Request):
    """A line of /etc/hosts; the spelling is Kingsoft's."""

    ip: str
    hostname: list[str] = []


class Label(Request):
    """A label of a group."""

    key: str
    value: str


class Credential(Request):
    """A login of an image registry."""

    server: str
    username: str = ""
    password: str = ""


class KubeProxy(Request):
    """Whether ClusterIPs work inside."""

    enabled: bool = False


class SystemDisk(Request):
    """The machine's disk; ``size`` in GB."""

    type: str = ""
    size: int | None = None


class AdvanceSettings(Request):
    """Settings of the machine underneath."""

    image_id: str = ""
    data_disk_gb: int | None = None
    system_disk: SystemDisk | None = None


class CreateContainerGroup(Request):
    """The request; ``kube_config`` decides whether the group belongs to a cluster."""

    container_group_name: str
    security_group_id: list[str]
    subnet_id: str = ""
    multi_subnet_id: list[str] = []
    kci_type: str = "RBKCI"
    instance_type: str = ""
    instance_family: str = ""
    charge_type: str = "HourlyInstantSettlement"
    spot_strategy: str = ""
    project_id: int = 0
    cpu: str | None = None
    memory: str | None = None
    gpu: float = 0.0
    kube_config: str = ""
    cluster_dns: str = ""
    cluster_domain: str = ""
    label: list[Label] = []
    kube_proxy: KubeProxy | None = None
    klog_enabled: bool = False
    data_disk: list[DataDisk] = []
    container_spec: list[ContainerSpec] = []
    retain_ip: bool = False
    retain_ip_hours: int = 24
    eip_allocation_id: str = ""
    multi_eip_allocation_id: list[str] = []
    image_cache_id: str = ""
    auto_match_image_cache: bool = False
    advance_settings: AdvanceSettings | None = None
    machine_dns_config: DnsConfig | None = None
    machine_host_aliase: list[HostAliase] = []
    restart_policy: str = "Always"
    image_registry_credential: list[Credential] = []
    volume: list[VolumeModel] = []
    container: list[ContainerModel] = []
    init_container: list[ContainerModel] = []
    dns_config: DnsConfig | None = None
    host_aliase: list[HostAliase] = []
    host_pid: bool = msgspec.field(default=False, name="HostPID")
    dry_run: bool = False
