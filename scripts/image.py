"""The root file system of the image, and the OCI archive that holds it. Called by scripts/image; standard library only.

Everything is written in sorted order with one time and owner, so that the same files give the same bytes. At the end the
archive is read back and unpacked, every digest in it is compared, and both programs are started inside.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

NAME = "localhost/failover-api"
EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
USER = 1000
MEDIA = "application/vnd.oci.image."

FILES = {
    "etc/passwd": f"root:x:0:0:root:/nonexistent:/nonexistent\nfailover-api:x:{USER}:{USER}::/nonexistent:/nonexistent\n",
    "etc/group": f"root:x:0:\nfailover-api:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
# Where the Deployment mounts things: a read-only root file system takes no new folders.
FOLDERS = ["dev", "proc", "sys", "tmp", "usr/bin", "usr/lib"]
FOLDERS += [f"etc/failover-api/{name}" for name in ["notifications", "receivers", "services", "signing", "tokens"]]
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}


class Files:
    """Files by their path in the image: bytes and mode, a folder (None), or a link (str)."""

    def __init__(self):
        self.entries = {}

    def add(self, path, content, mode=0o644):
        for parent in list(PurePosixPath(path).parents)[:-1]:
            self.entries.setdefault(str(parent), (None, 0o755))
        self.entries[path] = (content, mode)

    def layer(self):
        """The files as a compressed layer, and the digest of the layer before it was compressed."""
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, (content, mode) in sorted(self.entries.items()):
                member = tarfile.TarInfo(path)
                member.mtime, member.mode = EPOCH, mode
                if content is None:
                    member.type = tarfile.DIRTYPE
                elif isinstance(content, str):
                    member.type, member.linkname, member.mode = tarfile.SYMTYPE, content, 0o777
                else:
                    member.size = len(content)
                archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
        plain = plain.getvalue()
        return gzip.compress(plain, compresslevel=9, mtime=0), digest(plain)


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def in_usr(path):
    """Where a file is when /lib is a link to /usr/lib."""
    path = str(path).lstrip("/")
    return path if path.startswith("usr/") else f"usr/{path}"


def find(unpacked, path):
    """A file of one of the packages, links followed inside that package."""
    for package in sorted(entry for entry in unpacked.iterdir() if entry.is_dir()):
        name = in_usr(path)
        while True:
            # Packages say /lib or /usr/lib for the same place.
            places = [package / name, package / name.removeprefix("usr/")]
            file = next((file for file in places if file.is_symlink() or file.exists()), None)
            if file is None:
                break
            if not file.is_symlink():
                return file.read_bytes()
            name = in_usr(os.path.normpath(os.path.join("/", os.path.dirname(name), os.readlink(file))))
    raise SystemExit(f"image.py: no fetched package has {path}")


def system(unpacked, libraries):
    """What changes only with the distribution."""
    files = Files()
    for path in FOLDERS:
        files.add(path, None, 0o1777 if path == "tmp" else 0o755)
    for path, target in LINKS.items():
        files.add(path, target)
    for path, text in FILES.items():
        files.add(path, text.encode())
    files.add("usr/bin/ssh", find(unpacked, "/usr/bin/ssh"), 0o755)
    for library in libraries:
        loader = Path(library).name.startswith("ld-")
        files.add(in_usr(library), find(unpacked, library), 0o755 if loader else 0o644)
    wrapper = next((unpacked / "libnss-wrapper/usr/lib").glob("*/libnss_wrapper.so"))
    files.add(str(wrapper.relative_to(unpacked / "libnss-wrapper")), wrapper.read_bytes())
    authorities = sorted((unpacked / "ca-certificates/usr/share/ca-certificates/mozilla").glob("*.crt"))
    assert len(authorities) > 50, "the package of the certificate authorities looks different"
    files.add("etc/ssl/certs/ca-certificates.crt", b"".join(file.read_bytes() for file in authorities))
    # Scanners tell from these which packages are inside, and the licences want their texts to come along.
    files.add("etc/os-release", find(unpacked, "/usr/lib/os-release"))
    for package in sorted(entry.name for entry in unpacked.iterdir() if entry.is_dir()):
        files.add(f"var/lib/dpkg/status.d/{package}", (unpacked / f"{package}.control").read_bytes())
        files.add(f"usr/share/doc/{package}/copyright", copyright_of(unpacked, package))
    return files


def copyright_of(unpacked, package):
    """The licence text; some packages lead to the one of another, built from the same source."""
    file = unpacked / package / "usr/share/doc" / package / "copyright"
    if file.exists():
        return file.read_bytes()
    folder = os.readlink(unpacked / package / "usr/share/doc" / package)
    return f"See /usr/share/doc/{folder}/copyright\n".encode()


def image(layers, options):
    """Every blob of the archive by its digest, and the index that names the first of them."""
    blobs, descriptors, diff_ids = {}, [], []

    def put(data, kind):
        blobs[digest(data)] = data
        return {"mediaType": MEDIA + kind, "digest": digest(data), "size": len(data)}

    for data, diff_id in layers:
        descriptors.append(put(data, "layer.v1.tar+gzip"))
        diff_ids.append(diff_id)
    created = subprocess.run(
        ["date", "-u", "-d", f"@{EPOCH}", "+%Y-%m-%dT%H:%M:%SZ"], check=True, capture_output=True, text=True
    ).stdout.strip()
    labels = {
        "created": created,
        "description": "Moves stateful Kubernetes apps to their other node by committing to Git.",
        "licenses": "Apache-2.0",
        "revision": options.revision,
        "title": "failover-api",
        "version": options.version,
    }
    labels = {f"org.opencontainers.image.{key}": value for key, value in labels.items()}
    platform = {"architecture": options.architecture, "os": "linux"}
    config = {
        **platform,
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/failover-api"],
            "Cmd": ["serve"],
            "WorkingDir": "/",
            "Labels": labels,
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": created, "created_by": "scripts/image"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "manifest.v1+json",
        "config": put(as_json(config), "config.v1+json"),
        "layers": descriptors,
        "annotations": labels,
    }
    described = put(as_json(manifest), "manifest.v1+json")
    # The first is what containerd, so `k3s ctr`, takes as the name.
    names = {
        "io.containerd.image.name": f"{NAME}:{options.version}",
        "org.opencontainers.image.ref.name": options.version,
    }
    index = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "index.v1+json",
        "manifests": [{**described, "platform": platform, "annotations": names}],
    }
    return blobs, index


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def write(path, blobs, index):
    files = Files()
    files.add("oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
    files.add("index.json", as_json(index))
    for name, data in blobs.items():
        files.add(f"blobs/{name.replace(':', '/')}", data)
    whole, _ = files.layer()
    # Not compressed again: the layers are.
    path.write_bytes(gzip.decompress(whole))


def read_back(path, rootfs):
    """Compares every size and digest of the archive, follows every reference, and unpacks the layers."""
    with tarfile.open(path) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    blobs = {name: data for name, data in content.items() if name.startswith("blobs/")}
    for name, data in blobs.items():
        assert digest(data) == name.removeprefix("blobs/").replace("/", ":"), f"{name} is not what it is called"

    def get(descriptor):
        data = content[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert len(data) == descriptor["size"], f"{descriptor['digest']} has another size"
        return data

    (described,) = json.loads(content["index.json"])["manifests"]
    manifest = json.loads(get(described))
    config = json.loads(get(manifest["config"]))
    assert len(blobs) == 2 + len(manifest["layers"]), "there are blobs that nobody names"
    shutil.rmtree(rootfs, ignore_errors=True)
    rootfs.mkdir(parents=True)
    for descriptor, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        plain = gzip.decompress(get(descriptor))
        assert digest(plain) == diff_id, f"{descriptor['digest']} unpacks to something else"
        with tarfile.open(fileobj=io.BytesIO(plain)) as layer:
            layer.extractall(rootfs)
    return described["digest"], sum(layer["size"] for layer in manifest["layers"]), config


def run_inside(rootfs, command):
    """Runs a program of the image in nothing but the image and /dev, as its user where that can be done."""
    root = os.geteuid() == 0
    unshare = ["unshare", "--mount"] if root else ["unshare", "--mount", "--map-root-user"]
    user = [f"--userspec={USER}:{USER}", "--groups="] if root else []
    enter = 'mount --rbind /dev "$1/dev" && shift && exec chroot "$@"'
    inside = [*unshare, "sh", "-c", enter, "sh", rootfs, *user, rootfs]
    done = subprocess.run([*inside, *command], check=False, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, f"{command} in {rootfs}: {done.stdout}{done.stderr}"
    return f"{done.stdout}{done.stderr}".strip()


def crates_inside(program):
    """How many crates the program says it is made of; none when it was not built by `cargo auditable`."""
    with tempfile.TemporaryDirectory() as folder:
        section = Path(folder, "crates")
        subprocess.run(["objcopy", "--dump-section", f".dep-v0={section}", program, "/dev/null"], check=False)
        return len(json.loads(zlib.decompress(section.read_bytes()))["packages"]) if section.exists() else 0


def main():
    arguments = argparse.ArgumentParser()
    for name in ["program", "unpacked", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    for name in ["version", "revision", "architecture"]:
        arguments.add_argument(f"--{name}", required=True)
    arguments.add_argument("--libraries", nargs="+", required=True)
    options = arguments.parse_args()

    program = Files()
    program.add("usr/bin/failover-api", options.program.read_bytes(), 0o755)
    license_text = (Path(__file__).parent.parent / "LICENSE").read_bytes()
    program.add("usr/share/doc/failover-api/copyright", license_text)
    layers = [system(options.unpacked, options.libraries).layer(), program.layer()]
    archive = options.out / f"failover-api-{options.version}-{options.architecture}.tar"
    write(archive, *image(layers, options))

    rootfs = options.out / "rootfs"
    name, compressed, config = read_back(archive, rootfs)
    assert config["config"]["User"] == f"{USER}:{USER}"
    said = [run_inside(rootfs, ["/usr/bin/failover-api", "--version"]), run_inside(rootfs, ["/usr/bin/ssh", "-V"])]
    shells = [path for path in rootfs.rglob("*") if path.name in {"sh", "bash", "dash", "busybox", "perl"}]
    assert not shells, f"there is a shell: {shells}"
    files = [path for path in rootfs.rglob("*") if path.is_file() and not path.is_symlink()]
    print(f"{archive}\n  {NAME}:{options.version} {name}")
    print(f"  {compressed / 2**20:.1f} MiB compressed, {sum(f.stat().st_size for f in files) / 2**20:.1f} MiB unpacked")
    print(f"  inside: {', '.join(said)}, {crates_inside(options.program)} crates listed")


main()
