package main

// ansibleWriter copies, fills in templates, and comes from another file system,
// which makes it copy into .ansible_tmp… in the directory first.
var ansibleWriter = writer{
	name:  "ansible",
	tools: []string{"ansible-playbook"},
	files: []string{"ansible-copy.yaml", "ansible-template.yaml", "ansible-far.yaml"},
	late:  true,
	script: ansible + `
cat > "$ROOT/play.yaml" <<'EOF'
- hosts: localhost
  gather_facts: false
  tasks:
    - name: copy
      ansible.builtin.copy: {src: "{{ spare }}/ansible-copy.yaml", dest: "{{ drop }}/ansible-copy.yaml", owner: root, mode: "0640"}
      ignore_errors: true
    - name: template
      ansible.builtin.template: {src: "{{ spare }}/ansible-template.yaml", dest: "{{ drop }}/ansible-template.yaml", owner: root, mode: "0640"}
      ignore_errors: true
    - name: far
      ansible.builtin.copy: {src: "{{ spare }}/ansible-far.yaml", dest: "{{ drop }}/ansible-far.yaml", owner: root, mode: "0640"}
      ignore_errors: true
      vars: {ansible_remote_tmp: "{{ far }}/ansible"}
EOF
ansible-playbook "$ROOT/play.yaml" -e "spare=$SPARE drop=$DROP far=$FAR"`,
}

// ansible runs plays on this machine, with the Python that Ansible has itself,
// and with nothing of the user's.
const ansible = `
export ANSIBLE_PIPELINING=true ANSIBLE_HOME=$ROOT/ansible ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_NOCOLOR=true
: > "$ROOT/ansible.cfg"
export ANSIBLE_CONFIG=$ROOT/ansible.cfg ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3 ANSIBLE_LOCAL_TEMP=$ROOT/ansible/tmp ANSIBLE_REMOTE_TEMP=$ROOT/ansible/tmp
`

var puppetWriter = writer{
	name:   "puppet",
	tools:  []string{"puppet"},
	late:   true,
	script: puppet + ` --execute "file { '$DROP/$NAME': ensure => file, source => '$SPARE/$NAME', mode => '0640', owner => 'root' }"`,
}

// puppet exits with 0 for no change, 2 for changes, 4 or 6 for failures.
const puppet = `puppet apply --detailed-exitcodes --confdir "$ROOT/puppet" --vardir "$ROOT/puppet/var" --color false`

var itamaeWriter = writer{
	name:  "itamae",
	tools: []string{"itamae"},
	script: `
cat > "$ROOT/recipe.rb" <<EOF
remote_file "$DROP/$NAME" do
  source "$SPARE/$NAME"
  mode "640"
  owner "root"
end
EOF
itamae local "$ROOT/recipe.rb" --no-color --tmp-dir "$ROOT/itamae"`,
}

// cloudInitWriter writes in place, and sets mode and owner afterwards.
var cloudInitWriter = writer{
	name:  "cloud-init",
	tools: []string{"cloud-init"},
	late:  true,
	script: `
cat > "$ROOT/user-data" <<EOF
#cloud-config
write_files:
  - path: $DROP/$NAME
    owner: root:root
    permissions: "0640"
    encoding: b64
    content: $(base64 -w0 "$SPARE/$NAME")
EOF
` + cloudInit + ` --file "$ROOT/user-data" single --name write_files --frequency always`,
}

// cloudInit runs on a machine that no cloud has made, and keeps its state and its
// logs out of /var.
const cloudInit = `
cat > "$ROOT/here.cfg" <<EOF
datasource_list: [None]
system_info: {paths: {cloud_dir: $ROOT/cloud, run_dir: $ROOT/cloud/run}}
output: {all: "| cat"}
logcfg: |
  [loggers]
  keys=root
  [handlers]
  keys=stderr
  [formatters]
  keys=
  [logger_root]
  handlers=stderr
  [handler_stderr]
  class=StreamHandler
  level=WARNING
  args=(sys.stderr,)
EOF
cloud-init --file "$ROOT/here.cfg"`
