"""What people see: the terminal and the HTML report."""
